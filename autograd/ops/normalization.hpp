// Normalization of a tensor by its own or by given statistics, in the five extents of a NormLayout:
//
//   y = (x - mean) * rsqrt(variance + epsilon) * scale + offset
//
// mean and variance belong to a (group, channel), scale and offset to a channel (their size is
// layout.channels, their shape is free); an undefined scale stands for 1, an undefined offset for
// 0.
//
//   normalize_by_batch    mean and variance are those of x, and the derivative runs through them:
//                         dx = scale inv (dy - mean(dy) - x_hat mean(dy x_hat))
//   normalize_by_given    mean and variance are constants: dx = scale inv dy
//
// Both are fused forward and backward; where the backward pass is itself recorded, a composed form
// takes its place, so that derivatives of any order are exact (mean and deviation are never
// constants to them). An empty x gives an empty y and zero gradients. Errors: ShapeError when the
// layout does not cover x or the coefficients do not fit it. Source: Ioffe and Szegedy, Batch
// Normalization (2015).
#pragma once

#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/variable.hpp>

namespace lamina {

// By (group, channel); the variance is the biased one. Double whatever the tensor's type.
struct Moments {
  Tensor<double> mean;
  Tensor<double> variance;
};

template <Scalar T>
Moments moments(const Tensor<T>& x, const NormLayout& layout);

template <Scalar T>
Variable<T> normalize_by_batch(const Variable<T>& x, const NormLayout& layout,
                               const Moments& moments, const Variable<T>& scale,
                               const Variable<T>& offset, double epsilon);

template <Scalar T>
Variable<T> normalize_by_given(const Variable<T>& x, const NormLayout& layout,
                               const Moments& moments, const Variable<T>& scale,
                               const Variable<T>& offset, double epsilon);

}  // namespace lamina
