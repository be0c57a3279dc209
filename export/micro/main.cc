// Runs the student of model_data.h once on a microcontroller, and prints what it sees.
//
// Replace `fill`: read your sensor there. Everything else follows from the file.

#include "model_data.h"

#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

// Older releases have the interpreter in `tflite`, newer ones in `tflite::micro`.
namespace tflite {
namespace micro {}
}  // namespace tflite
using namespace tflite;
using namespace tflite::micro;

namespace {

alignas(16) unsigned char arena[model_arena_size];

// Writes one example: real numbers, divided by the scale, plus the zero point, where
// the file has them (input_0_scale and input_0_zero_point in model_data.h).
void fill(input_0_type* values, int count) {
  for (int i = 0; i < count; i++) values[i] = 0;
}

// The number of the largest output.
int top(const output_0_type* values, int count) {
  int best = 0;
  for (int i = 1; i < count; i++)
    if (values[i] > values[best]) best = i;
  return best;
}

}  // namespace

int main() {
  static MicroMutableOpResolver<model_operators> resolver;
  if (!model_add_operators(resolver)) return 1;

  static MicroInterpreter interpreter(GetModel(model_data), resolver, arena,
                                      model_arena_size);
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    MicroPrintf("The arena is too small: model_arena_size is %d",
                static_cast<int>(model_arena_size));
    return 2;
  }
  MicroPrintf("%d of %d bytes of the arena are used",
              static_cast<int>(interpreter.arena_used_bytes()),
              static_cast<int>(model_arena_size));

  fill(reinterpret_cast<input_0_type*>(interpreter.input(0)->data.raw), input_0_size);
  if (interpreter.Invoke() != kTfLiteOk) return 3;
  const auto* values =
      reinterpret_cast<const output_0_type*>(interpreter.output(0)->data.raw);
  MicroPrintf("class %d", top(values, output_0_size));
  return 0;
}
