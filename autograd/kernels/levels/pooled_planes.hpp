// What an instruction set has for normalization, ReLU and max pooling in one pass over images with
// channels first, as a table of functions over raw memory. Used by pooled_planes.cpp in the folder
// above, which cuts the work and merges the sums. What they compute: pooled_loops.hpp.
//
// One call is some rows of windows of one channel of one image; coefficients point to the
// channel's.
#pragma once

#include <lamina/autograd/kernels/levels/normalization_loops.hpp>

namespace lamina::kernels {

// Two rows of x, `columns` long, per row of windows; of an odd number the last column has no
// window.
struct PlaneRows {
  const float* x;
  std::int64_t rows;
  std::int64_t columns;
};

struct PooledPlanes {
  void (*pool)(const PlaneRows& plane, const ScaleCoefficients& coefficients, float* y);
  void (*add_gradients)(const PlaneRows& plane, const float* dy,
                        const ScaleCoefficients& coefficients, double* sum_dy, double* sum_dy_high);
  // Of the last column, too, where it has no window.
  void (*combine)(const PlaneRows& plane, const float* dy, const GradientCoefficients& coefficients,
                  ReluGate gate, float* dx);
  // A run of elements that belong to no window.
  void (*combine_rest)(const float* x, std::int64_t count, const GradientCoefficients& coefficients,
                       float* dx);
};

// Defined by levels/pooled_planes.cpp, which is compiled once per level.
namespace avx2 {
const PooledPlanes* pooled_planes();
}
namespace avx512 {
const PooledPlanes* pooled_planes();
}

}  // namespace lamina::kernels
