// What a training step of batch normalization hands to its moving averages.
//
// The batch's moments are averaged over the groups, and the variance takes the factor that the
// estimator asks for: 1 (biased), or n / max(n - 1, 1) (unbiased), n the values behind one mean.
#pragma once

#include <lamina/autograd/ops/normalization.hpp>
#include <span>

namespace lamina {

enum class VarianceEstimator { tensorflow, biased, unbiased };

// Whether TensorFlow 2.21 takes its fused kernel, which stores the unbiased variance: float32, rank
// 4 with axis 1 or 3, or rank 5 with axis 1 or 4, one axis, and `fused` not switched off.
bool tensorflow_would_fuse(DType dtype, int rank, std::span<const int> kept_axes, bool fused);

// The factor of the variance under an estimator that is not `tensorflow`.
double variance_factor(VarianceEstimator estimator, std::int64_t count);

// The mean over the groups of values by (group, channel), times `factor`, in the given shape.
template <Scalar T>
Tensor<T> averaged_over_groups(const Tensor<double>& values, const NormLayout& layout,
                               const Shape& shape, double factor = 1);

}  // namespace lamina
