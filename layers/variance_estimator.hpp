// Which variance a training step hands to the moving average: the biased one (divided by n) takes
// the factor 1, the unbiased one n / max(n - 1, 1), n being the values (or the weight) behind one
// mean. One value, or less weight than that, has the factor 1. The variance that normalizes is the
// biased one always.
#pragma once

#include <lamina/autograd/tensor/scalar.hpp>
#include <span>

namespace lamina {

enum class VarianceEstimator {
  tensorflow,  // unbiased exactly where TensorFlow would have taken its fused kernel
  biased,
  unbiased
};

// Whether TensorFlow 2.21 takes its fused kernel, which stores the unbiased variance: float32, rank
// 4 with axis 1 or 3, or rank 5 with axis 1 or 4, one axis, and `fused` not switched off.
bool tensorflow_would_fuse(DType dtype, int rank, std::span<const int> kept_axes, bool fused);

// The factor of the variance under an estimator that is not `tensorflow`.
double variance_factor(VarianceEstimator estimator, double count);

}  // namespace lamina
