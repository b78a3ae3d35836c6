// The element types of lamina: float and double carry values and derivatives; int64 carries labels
// and indices, uint8 carries images and masks, both without derivatives.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

namespace lamina {

template <class T>
concept Scalar = std::same_as<T, float> || std::same_as<T, double>;

template <class T>
concept Element = Scalar<T> || std::same_as<T, std::int64_t> || std::same_as<T, std::uint8_t>;

enum class DType : std::uint8_t { float32 = 1, float64 = 2, int64 = 3, uint8 = 4 };

template <Element T>
constexpr DType dtype_of() {
  if constexpr (std::same_as<T, float>) return DType::float32;
  if constexpr (std::same_as<T, double>) return DType::float64;
  if constexpr (std::same_as<T, std::int64_t>) return DType::int64;
  return DType::uint8;
}

constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int64:
      return "int64";
    case DType::uint8:
      return "uint8";
  }
  return "unknown";
}

constexpr std::int64_t bytes_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return 4;
    case DType::float64:
    case DType::int64:
      return 8;
    case DType::uint8:
      return 1;
  }
  return 0;
}

}  // namespace lamina
