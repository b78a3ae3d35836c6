// The JSON header of a safetensors file (safetensors.hpp).
//
// Errors: CheckpointError. Thread-safety: any.
#pragma once

#include <cstdint>
#include <deque>
#include <lamina/autograd/tensor/scalar.hpp>
#include <lamina/autograd/tensor/shape.hpp>
#include <lamina/serialization/detail/file_error.hpp>
#include <map>
#include <string>
#include <string_view>

namespace lamina::detail {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;
  std::uint64_t begin = 0, end = 0;  // from the first byte behind the header
};

struct SafetensorsHeader {
  // In the order of their bytes. A deque: a header may list very many, and a vector that grows
  // takes their memory twice more.
  std::deque<SafetensorsEntry> tensors;
  std::map<std::string, std::string> metadata;
};

// Padded with spaces to a multiple of 8.
std::string encode_safetensors_header(const SafetensorsHeader& header, const FileTask& task);

// `data_size`: the bytes behind the header, which the tensors must fill.
SafetensorsHeader decode_safetensors_header(std::string_view text, std::uint64_t data_size,
                                            const FileTask& task);

}  // namespace lamina::detail
