// Reductions over any set of axes, and scans along one.
//
// A set of axes is a bit mask (Axes::mask). Results keep the reduced axes with extent 1; dropping
// them is a reshape. Neighbouring axes are merged, and what is left is reduced from the last run to
// the first, each as [outer][count][inner]. Sums and products run in double, in blocks whose
// partial results are combined in a fixed order: the same bits on any number of threads.
//
// Nothing summed is 0, nothing multiplied 1; the maximum of nothing is -infinity (ops refuse it
// before).
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

// Sum over the axes, divided by `divisor` before it is rounded to T.
template <Scalar T>
Tensor<T> sum(const Tensor<T>& x, unsigned mask, double divisor = 1);
template <Scalar T>
Tensor<T> sum_of_squares(const Tensor<T>& x, unsigned mask, double divisor = 1);
// The root of the sum of squares, which may be larger than T holds.
template <Scalar T>
Tensor<T> norm(const Tensor<T>& x, unsigned mask);
template <Scalar T>
Tensor<T> prod(const Tensor<T>& x, unsigned mask);

// NaN anywhere gives NaN.
template <Scalar T>
Tensor<T> max(const Tensor<T>& x, unsigned mask);
template <Scalar T>
Tensor<T> min(const Tensor<T>& x, unsigned mask);

// Copies x (extent 1 on the masked axes) along them, divided by `divisor`.
template <Scalar T>
Tensor<T> expand(const Tensor<T>& x, const Shape& shape, double divisor = 1);

// 1 / (number of elements equal to the extremum) where x equals it, else 0.
template <Scalar T>
Tensor<T> shares_of(const Tensor<T>& x, const Tensor<T>& extremum, unsigned mask);

// Index along the axis of the first largest element; NaN counts as largest. The axis is kept.
template <Scalar T>
Tensor<std::int64_t> argmax(const Tensor<T>& x, int axis);

// For every element the product of the others along the axis.
template <Scalar T>
Tensor<T> products_of_others(const Tensor<T>& x, int axis);

// Sums up to and including each element; from the end when reversed.
template <Scalar T>
Tensor<T> cumsum(const Tensor<T>& x, int axis, bool reversed);

}  // namespace lamina::kernels
