// Moments of a batch: mean and biased variance by (group, channel) of a NormLayout, in double
// whatever the tensor's type.
//
//   n = sum(w)        mean = sum(w x) / n        variance = sum(w (x - mean)^2) / n
//
// The weights w belong to the places (outer, group, middle, inner) of the layout, in a tensor of
// that many values and any shape; all channels of a place share one. They are finite and at least
// 0; an undefined tensor stands for 1 everywhere (ones agree with it to rounding, with one group to
// the bit). A weight of 0 selects, it does not multiply: NaN or infinity there reaches no
// statistic. n is the sum of the weights of a group; where it is 0 (an empty batch), mean and
// variance are 0.
//
// Errors: ShapeError when the layout does not cover x or the weights do not fit it, ArgumentError
// for a weight that is negative or not finite, and where the sum of the weights is not finite.
// Results are the same bits on any number of threads. Thread-safety: as Tensor.
#pragma once

#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/ops/statistics_reduction.hpp>
#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina {

struct Moments {
  Tensor<double> mean = {};      // by (group, channel)
  Tensor<double> variance = {};  // by (group, channel)
  Tensor<double> count = {};     // by group: n
};

template <Scalar T>
Moments moments(const Tensor<T>& x, const NormLayout& layout, const Tensor<T>& weights = {});

// What a normalization multiplies x - mean by: 1 / sqrt(variance + epsilon), and 0 where that root
// is 0. So with epsilon = 0 a channel that does not vary normalizes to 0, and no derivative runs
// through it.
double inverse_deviation(double variance, double epsilon);

// What a batch was measured to be, and how: all that a derivative needs to run back through it.
//
//   const auto batch = measure(x.value(), {.outer = 32, .channels = 64}, weights);
//   y = normalize_by_batch(x, batch, gamma, beta, 1e-3);
//
// With a reduction, x is one share of a batch, and the moments are those of the whole.
// Mean and variance of a group whose count is 0 are the caller's to replace (by moving statistics,
// say); no derivative runs through them.
template <Scalar T>
struct MeasuredBatch {
  NormLayout layout = {};
  Moments moments = {};
  Tensor<T> weights = {};
  SharedReduction reduction = {};
};

template <Scalar T>
MeasuredBatch<T> measure(const Tensor<T>& x, const NormLayout& layout,
                         const Tensor<T>& weights = {}, const SharedReduction& reduction = {});

}  // namespace lamina
