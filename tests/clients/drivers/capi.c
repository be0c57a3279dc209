/* Runs a file through TensorFlow Lite's C API, by the names of its signature.

     capi FILE EXAMPLES in:NAME=RAW ... out:NAME=RAW ...

   Each RAW holds the values of all examples, one after the other, as they enter or
   leave the file. The functions are declared here because the package that brings
   the library brings no headers. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct TfLiteModel TfLiteModel;
typedef struct TfLiteOptions TfLiteOptions;
typedef struct TfLiteInterpreter TfLiteInterpreter;
typedef struct TfLiteSignatureRunner TfLiteSignatureRunner;
typedef struct TfLiteTensor TfLiteTensor;

const char *TfLiteVersion(void);
TfLiteModel *TfLiteModelCreateFromFile(const char *path);
TfLiteOptions *TfLiteInterpreterOptionsCreate(void);
void TfLiteInterpreterOptionsSetNumThreads(TfLiteOptions *, int32_t);
TfLiteInterpreter *TfLiteInterpreterCreate(const TfLiteModel *, const TfLiteOptions *);
int32_t TfLiteInterpreterGetSignatureCount(const TfLiteInterpreter *);
const char *TfLiteInterpreterGetSignatureKey(const TfLiteInterpreter *, int32_t);
TfLiteSignatureRunner *TfLiteInterpreterGetSignatureRunner(const TfLiteInterpreter *,
                                                           const char *);
int TfLiteSignatureRunnerAllocateTensors(TfLiteSignatureRunner *);
int TfLiteSignatureRunnerInvoke(TfLiteSignatureRunner *);
TfLiteTensor *TfLiteSignatureRunnerGetInputTensor(TfLiteSignatureRunner *,
                                                  const char *);
const TfLiteTensor *TfLiteSignatureRunnerGetOutputTensor(const TfLiteSignatureRunner *,
                                                         const char *);
size_t TfLiteTensorByteSize(const TfLiteTensor *);
int TfLiteTensorCopyFromBuffer(TfLiteTensor *, const void *, size_t);
int TfLiteTensorCopyToBuffer(const TfLiteTensor *, void *, size_t);

static void refuse(const char *what, const char *name) {
  fprintf(stderr, "refused: %s %s\n", what, name);
  exit(3);
}

/* Splits "in:NAME=RAW" after its first three or four letters. */
static char *split(char *argument, const char *prefix, char **file) {
  size_t length = strlen(prefix);
  char *equals = strrchr(argument, '=');
  if (strncmp(argument, prefix, length) != 0 || equals == NULL) return NULL;
  *equals = '\0';
  *file = equals + 1;
  return argument + length;
}

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "--version") == 0)
    return puts(TfLiteVersion()) == EOF;
  if (count < 5) refuse("too few arguments", "");
  TfLiteModel *model = TfLiteModelCreateFromFile(arguments[1]);
  if (model == NULL) refuse("no model in", arguments[1]);
  TfLiteOptions *options = TfLiteInterpreterOptionsCreate();
  TfLiteInterpreterOptionsSetNumThreads(options, 1);
  TfLiteInterpreter *interpreter = TfLiteInterpreterCreate(model, options);
  if (interpreter == NULL) refuse("no interpreter for", arguments[1]);
  int signatures = TfLiteInterpreterGetSignatureCount(interpreter);
  if (signatures < 1) refuse("no signature", "");
  const char *key = TfLiteInterpreterGetSignatureKey(interpreter, 0);
  for (int i = 1; i < signatures; i++)
    if (strcmp(TfLiteInterpreterGetSignatureKey(interpreter, i), "serve") == 0)
      key = "serve";
  TfLiteSignatureRunner *runner = TfLiteInterpreterGetSignatureRunner(interpreter, key);
  if (runner == NULL) refuse("no signature", key);
  if (TfLiteSignatureRunnerAllocateTensors(runner)) refuse("no memory for", key);

  struct end {
    FILE *file;
    TfLiteTensor *input;
    const TfLiteTensor *output;
    void *values;
    size_t size;
  } ends[16];
  int used = 0;
  for (int i = 3; i < count && used < 16; i++, used++) {
    char *file, *name;
    struct end *end = &ends[used];
    end->input = NULL;
    end->output = NULL;
    if ((name = split(arguments[i], "in:", &file)) != NULL) {
      end->input = TfLiteSignatureRunnerGetInputTensor(runner, name);
      if (end->input == NULL) refuse("no input", name);
    } else if ((name = split(arguments[i], "out:", &file)) != NULL) {
      end->output = TfLiteSignatureRunnerGetOutputTensor(runner, name);
      if (end->output == NULL) refuse("no output", name);
    } else {
      refuse("unknown argument", arguments[i]);
    }
    end->size = TfLiteTensorByteSize(end->input ? end->input : end->output);
    end->values = malloc(end->size);
    end->file = fopen(file, end->input ? "rb" : "wb");
    if (end->file == NULL || end->values == NULL) refuse("cannot open", file);
  }

  for (int example = 0; example < atoi(arguments[2]); example++) {
    for (struct end *end = ends; end < ends + used; end++) {
      if (end->input == NULL) continue;
      if (fread(end->values, 1, end->size, end->file) != end->size)
        refuse("too few values for", arguments[1]);
      TfLiteTensorCopyFromBuffer(end->input, end->values, end->size);
    }
    if (TfLiteSignatureRunnerInvoke(runner)) refuse("inference failed in", key);
    for (struct end *end = ends; end < ends + used; end++) {
      if (end->output == NULL) continue;
      TfLiteTensorCopyToBuffer(end->output, end->values, end->size);
      fwrite(end->values, 1, end->size, end->file);
    }
  }
  for (struct end *end = ends; end < ends + used; end++) fclose(end->file);
  return 0;
}
