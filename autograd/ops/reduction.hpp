// Reductions of variables over a list of axes, with derivatives of any order.
//
//   sum(x)                  every axis: a scalar
//   mean(x, {0, 2})         some axes; negative ones count from the end
//   max(x, -1, true)        the reduced axes stay, with extent 1
//
// Of nothing (an empty extent) the sum is 0, the product 1, mean and variance NaN, as in NumPy;
// max, min and argmax are a ShapeError. Sums run in double and give the same bits on any number of
// threads. Errors: ArgumentError for an axis outside [-rank, rank) or named twice. Thread-safety:
// as Variable.
#pragma once

#include <lamina/autograd/tensor/axes.hpp>
#include <lamina/autograd/variable.hpp>

namespace lamina {

template <Scalar T>
Variable<T> sum(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
template <Scalar T>
Variable<T> mean(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

// The mean of (x - mean)^2, in two passes; divides by the number of elements.
template <Scalar T>
Variable<T> variance(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

// Equal extremes share the gradient evenly.
template <Scalar T>
Variable<T> max(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);
template <Scalar T>
Variable<T> min(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

// The gradient is right with zeros among the factors. A recorded backward pass (create_graph) needs
// memory for n^2 elements per product of n factors.
template <Scalar T>
Variable<T> prod(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

// The Euclidean norm; its gradient at 0 is 0.
template <Scalar T>
Variable<T> norm(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

// The index of the first largest element along the axis; NaN counts as largest.
template <Scalar T>
Tensor<std::int64_t> argmax(const Tensor<T>& x, int axis, bool keepdims = false);

// Sums of the elements up to and including each, along the axis; from the end when reversed.
template <Scalar T>
Variable<T> cumsum(const Variable<T>& x, int axis, bool reversed = false);

// The sum over the axes along which `shape` broadcasts to x's shape: the adjoint of broadcast_to.
template <Scalar T>
Variable<T> sum_to(const Variable<T>& x, const Shape& shape);

}  // namespace lamina
