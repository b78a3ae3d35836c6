// Coefficients of the normalization kernels from any numbers, by (group, channel).
#pragma once

#include <lamina/autograd/kernels/norm_coefficients.hpp>

namespace lamina::test {

template <Scalar T>
Tensor<T> rounded(const NormLayout& layout, const double* values) {
  Tensor<T> result = Tensor<T>::uninitialized(Shape{layout.statistics()});
  T* to = result.mutable_data();
  for (std::int64_t s = 0; s < layout.statistics(); ++s) to[s] = static_cast<T>(values[s]);
  return result;
}

// What is left of `offset` when T(mean) is subtracted instead of the mean.
template <Scalar T>
Tensor<T> constants(const NormLayout& layout, const double* mean, const double* factor,
                    const double* offset) {
  Tensor<T> result = Tensor<T>::uninitialized(Shape{layout.statistics()});
  T* to = result.mutable_data();
  for (std::int64_t s = 0; s < layout.statistics(); ++s) {
    const auto high = static_cast<double>(static_cast<T>(mean[s]));
    to[s] = static_cast<T>(offset[s] - (mean[s] - high) * factor[s]);
  }
  return result;
}

// y = (x - mean) factor + offset.
template <Scalar T>
kernels::CentredScaling<T> scaling_of(const NormLayout& layout, const double* mean,
                                      const double* factor, const double* offset) {
  return {rounded<T>(layout, mean), rounded<T>(layout, factor),
          constants<T>(layout, mean, factor, offset)};
}

// dx = (dy - w ((x - mean) of_x + share)) factor.
template <Scalar T>
kernels::GradientScaling<T> gradient_scaling_of(const NormLayout& layout, const double* mean,
                                                const double* of_x, const double* share) {
  return {rounded<T>(layout, of_x), constants<T>(layout, mean, of_x, share)};
}

}  // namespace lamina::test
