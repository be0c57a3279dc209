// Just enough of TFLite-Micro to compile export/micro/main.cc and follow what it does.
#pragma once

#include <cstddef>
#include <cstdio>

#include "model_data.h"

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
union TfLitePtrUnion {
  char* raw;
};
struct TfLiteTensor {
  TfLitePtrUnion data;
};

namespace tflite {

struct Model {
  const unsigned char* content;
};

inline const Model* GetModel(const void* content) {
  static Model model;
  model.content = static_cast<const unsigned char*>(content);
  return &model;
}

namespace micro {

// Writes the model's bytes to `model.bin`; its answer is the seventh class.
class MicroInterpreter {
 public:
  template <typename Resolver>
  MicroInterpreter(const Model* model, const Resolver& resolver, unsigned char* arena,
                   std::size_t size)
      : content_(model->content), arena_(arena), size_(size) {
    std::printf("operators %u\n", resolver.added());
  }
  TfLiteStatus AllocateTensors() {
    for (std::size_t i = 0; i < size_; i++) arena_[i] = 0;
    std::FILE* file = std::fopen("model.bin", "wb");
    if (file == nullptr) return kTfLiteError;
    std::fwrite(content_, 1, model_data_size, file);
    return std::fclose(file) == 0 ? kTfLiteOk : kTfLiteError;
  }
  std::size_t arena_used_bytes() const { return size_; }
  TfLiteTensor* input(std::size_t) { return at(&input_, 0); }
  TfLiteTensor* output(std::size_t) { return at(&output_, size_ / 2); }
  TfLiteStatus Invoke() {
    output(0)->data.raw[7] = 100;
    return kTfLiteOk;
  }

 private:
  TfLiteTensor* at(TfLiteTensor* tensor, std::size_t offset) {
    tensor->data.raw = reinterpret_cast<char*>(arena_ + offset);
    return tensor;
  }
  const unsigned char* content_;
  unsigned char* arena_;
  std::size_t size_;
  TfLiteTensor input_, output_;
};

}  // namespace micro
}  // namespace tflite
