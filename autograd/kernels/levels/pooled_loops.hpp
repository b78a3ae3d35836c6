// What an instruction set has for normalization, ReLU and max pooling in one pass, as a table of
// functions over raw memory. Used by pooled_normalization.cpp, which cuts the work and merges the
// sums.
//
// One call is one row of windows of 2 x 2: two rows of an image, channels last.
#pragma once

#include <lamina/autograd/kernels/levels/normalization_loops.hpp>

namespace lamina::kernels {

struct WindowRow {
  const float* upper;
  const float* lower;
  std::int64_t windows;
  std::int64_t channels;
};

struct PooledLoops {
  // y = the largest of a window's max(0, (x - high) factor + constant); NaN where one is.
  void (*pool)(const WindowRow& row, const ScaleCoefficients& coefficients, float* y);
  // += sum(dy) and sum(dy (x - high)) over the windows whose y is positive or NaN, x the first that
  // gave it.
  void (*add_gradients)(const WindowRow& row, const float* dy,
                        const ScaleCoefficients& coefficients, double* sum_dy, double* sum_dy_high);
  // dx = (dy - ((x - high) of_x + constant)) of_all, dy at the x that gave a y that is positive or
  // NaN, else 0. The gate's factor is of_all.
  void (*combine)(const WindowRow& row, const float* dy, const GradientCoefficients& coefficients,
                  ReluGate gate, bool past_caches, float* upper, float* lower);
  // The same for positions that belong to no window.
  void (*combine_rest)(const float* x, std::int64_t positions, std::int64_t channels,
                       const GradientCoefficients& coefficients, float* dx);
  void (*fence)();
};

// Defined by levels/pooled_loops.cpp, which is compiled once per level.
namespace avx2 {
const PooledLoops* pooled_loops();
}
namespace avx512 {
const PooledLoops* pooled_loops();
}

}  // namespace lamina::kernels
