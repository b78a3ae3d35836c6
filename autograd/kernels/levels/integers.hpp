// Arithmetic of extents, for the files of levels/ alone: they call no function of the standard
// library (see vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/vector.hpp>

namespace lamina::kernels {
namespace {

LAMINA_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
LAMINA_INLINE std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
LAMINA_INLINE std::int64_t clamp(std::int64_t value, std::int64_t low, std::int64_t high) {
  return larger(low, smaller(value, high));
}
// a / b rounded up or down, b > 0.
LAMINA_INLINE std::int64_t divide_down(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}
LAMINA_INLINE std::int64_t divide_up(std::int64_t a, std::int64_t b) { return -divide_down(-a, b); }
LAMINA_INLINE std::int64_t up_to_multiple(std::int64_t value, std::int64_t of) {
  return (value + of - 1) / of * of;
}

}  // namespace
}  // namespace lamina::kernels
