// What all losses share: how the losses of the entries become one number.
#pragma once

#include <cstdint>
#include <lamina/autograd/variable.hpp>

namespace lamina {

enum class Reduction : std::uint8_t {
  mean,  // the sum, divided by the number of entries (also when they are weighted by sample)
  sum,
  none  // one loss per entry
};

namespace detail {

// Entries times their sample weights (undefined: all 1), reduced; the mean is the sum divided by
// `denominator`, or 0 where that is 0. The shape of the weights is that of the entries or of their
// leading axes, else ShapeError.
template <Scalar T>
Variable<T> reduce_entries(const char* who, const Variable<T>& entries,
                           const Tensor<T>& sample_weight, Reduction reduction, double denominator);

// ShapeError unless both have one shape: "[huber] prediction and target must have the same shape;
// got (4, 3) and (4)".
void require_same_shape(const char* who, const char* prediction, const Shape& a, const Shape& b);

// The sum over the last axis times `factor`; of a scalar, itself times `factor`.
template <Scalar T>
Variable<T> sum_of_last_axis(const Variable<T>& x, double factor);

// The mean over the last axis: the entries of a loss between tensors of one shape.
template <Scalar T>
Variable<T> mean_of_last_axis(const Variable<T>& x);

}  // namespace detail

}  // namespace lamina
