// The loops of norm_coefficients.cpp, over the channels of one group. They are compiled for the
// baseline and for every level, so they are in an unnamed namespace and call no function of the
// standard library (levels/vector.hpp says why).
#pragma once

#include <cstdint>

namespace lamina::kernels {
namespace {

// high, factor and constant of y; inverse is inverse_deviation() of ops/moments.hpp.
template <class T>
void fill_centred_scaling(std::int64_t channels, const double* mean, const double* variance,
                          double epsilon, const double* scale, const double* offset,
                          double* __restrict inverse, T* __restrict high, T* __restrict factor,
                          T* __restrict constant) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const double square = variance[c] + epsilon, of_root = 1 / __builtin_sqrt(square);
    const double inv = square == 0 ? 0 : of_root, exact = inv * scale[c];
    const T rounded = static_cast<T>(mean[c]);
    inverse[c] = inv;
    high[c] = rounded;
    factor[c] = static_cast<T>(exact);
    constant[c] = static_cast<T>(offset[c] - (mean[c] - static_cast<double>(rounded)) * exact);
  }
}

// of_x and constant of dx; inverse_count is 1 / count.
template <class T>
void fill_gradient_scaling(std::int64_t channels, const double* mean, const double* inverse,
                           double inverse_count, const double* sum_dy, const double* sum_dy_centred,
                           T* __restrict of_x, T* __restrict constant) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const double exact = inverse[c] * inverse[c] * sum_dy_centred[c] * inverse_count;
    const T rounded = static_cast<T>(mean[c]);
    of_x[c] = static_cast<T>(exact);
    constant[c] = static_cast<T>(sum_dy[c] * inverse_count -
                                 (mean[c] - static_cast<double>(rounded)) * exact);
  }
}

}  // namespace
}  // namespace lamina::kernels
