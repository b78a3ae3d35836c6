// Normalization of a tensor by its own or by given statistics, in the five extents of a NormLayout:
//
//   y = (x - mean) * rsqrt(variance + epsilon) * scale + offset
//
// mean and variance belong to a (group, channel), scale and offset to a channel (their size is
// layout.channels, their shape is free); an undefined scale stands for 1, an undefined offset for
// 0. Where variance + epsilon is 0 its root's inverse counts as 0 (inverse_deviation of
// moments.hpp).
//
//   normalize_by_batch    mean and variance are those of x, weighted as measured (moments.hpp); the
//                         derivative runs through them:
//                         dx = scale inv (dy - (w / n) (S1 + x_hat S2))
//                         S1 = sum(dy) and S2 = sum(dy x_hat) over all places of a group, those of
//                         weight 0 too: they are normalized like the others
//   normalize_by_given    mean and variance are constants: dx = scale inv dy
//
// dscale = S2 and doffset = S1, summed over groups. An x of weight 0 that is NaN or infinite
// reaches its own y and nothing else: it is left out of S2, like every x whose dy is 0. In a group
// whose weights sum to 0 the statistics are constants.
//
// With `after` a ReLU of y, or the maximum of the ReLU over windows of 2 x 2 side by side (x then
// is images, the normalized axis the last one, or with channels first the second one), is computed
// in the same pass where it can be (float, processors with AVX2, no weights; pooling: groups of whole
// images, image i in group i modulo groups), else as ops of their own: the same numbers, to
// rounding.
//
// Both are fused forward and backward; where the backward pass is itself recorded, a composed form
// takes its place, so that derivatives of any order are exact (mean and deviation are never
// constants to them). An empty x gives an empty y and zero gradients. Errors: ShapeError when the
// layout does not cover x, or moments or coefficients do not fit it; what max_pool2d refuses.
// Source: Ioffe and Szegedy, Batch Normalization (2015).
#pragma once

#include <lamina/autograd/ops/moments.hpp>
#include <lamina/autograd/variable.hpp>

namespace lamina {

enum class AfterNormalization : std::uint8_t { nothing, relu, relu_max_pool };

// The same by ops of their own, on what was normalized by that layout.
template <Scalar T>
Variable<T> then(AfterNormalization after, const Variable<T>& y, const NormLayout& layout);

template <Scalar T>
Variable<T> normalize_by_batch(const Variable<T>& x, const MeasuredBatch<T>& batch,
                               const Variable<T>& scale, const Variable<T>& offset, double epsilon,
                               AfterNormalization after = AfterNormalization::nothing);

template <Scalar T>
Variable<T> normalize_by_given(const Variable<T>& x, const NormLayout& layout,
                               const Moments& moments, const Variable<T>& scale,
                               const Variable<T>& offset, double epsilon,
                               AfterNormalization after = AfterNormalization::nothing);

}  // namespace lamina
