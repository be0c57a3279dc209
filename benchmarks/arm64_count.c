/* Counts the instructions of a program under qemu-user, for benchmarks/arm64.py.

   The total is printed whenever the program asks for its parent's process number:
   a call that costs nothing, has no effect, and that nothing else here makes. The
   functions of QEMU's plugin interface are declared here, since distributions ship
   no header for them; they are the same from its version 1 on. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXPORTED __attribute__((visibility("default")))
#define GETPPID 173 /* on aarch64 */

struct block; /* what QEMU calls struct qemu_plugin_tb */
struct info;

typedef void (*translated_callback)(uint64_t id, struct block *);
typedef void (*executed_callback)(unsigned int cpu, void *data);
typedef void (*syscall_callback)(uint64_t id, unsigned int cpu, int64_t number,
                                 uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                 uint64_t, uint64_t, uint64_t);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct block *, executed_callback,
                                          int flags, void *data);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, syscall_callback);
size_t qemu_plugin_tb_n_insns(const struct block *);

EXPORTED int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static uint64_t total;

static void executed(unsigned int cpu, void *length) {
  (void)cpu;
  __atomic_fetch_add(&total, (uint64_t)(uintptr_t)length, __ATOMIC_RELAXED);
}

static void translated(uint64_t id, struct block *block) {
  (void)id;
  void *length = (void *)(uintptr_t)qemu_plugin_tb_n_insns(block);
  qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0, length);
}

static void called(uint64_t id, unsigned int cpu, int64_t number, uint64_t a,
                   uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                   uint64_t g, uint64_t h) {
  (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
  (void)g, (void)h;
  if (number == GETPPID)
    fprintf(stderr, "instructions: %llu\n", (unsigned long long)total);
}

EXPORTED int qemu_plugin_install(uint64_t id, const struct info *info, int count,
                                 char **arguments) {
  (void)info, (void)count, (void)arguments;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_vcpu_syscall_cb(id, called);
  return 0;
}
