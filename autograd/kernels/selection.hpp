// Choosing between values, element by element, with NumPy's broadcasting. Masks are uint8: 0 is
// false, anything else true.
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

// NaN in either operand gives NaN.
template <Scalar T>
Tensor<T> maximum(const Tensor<T>& a, const Tensor<T>& b);
template <Scalar T>
Tensor<T> minimum(const Tensor<T>& a, const Tensor<T>& b);

// 1 where maximum, respectively minimum, takes its first operand; equal operands count as the
// first.
template <Scalar T>
Tensor<std::uint8_t> first_is_maximum(const Tensor<T>& a, const Tensor<T>& b);
template <Scalar T>
Tensor<std::uint8_t> first_is_minimum(const Tensor<T>& a, const Tensor<T>& b);

template <Scalar T>
Tensor<T> where(const Tensor<std::uint8_t>& condition, const Tensor<T>& a, const Tensor<T>& b);

// x where the mask is true, 0 elsewhere (0 also for NaN: the mask selects, it does not multiply);
// the negated form keeps where the mask is false.
template <Scalar T>
Tensor<T> keep_where(const Tensor<std::uint8_t>& mask, const Tensor<T>& x, bool negated);

// scale * x where the mask is true, 0 elsewhere; same shapes.
template <Scalar T>
Tensor<T> keep_scaled(const Tensor<std::uint8_t>& mask, const Tensor<T>& x, T scale);

template <Scalar T>
Tensor<std::uint8_t> is_positive(const Tensor<T>& x);

template <Scalar T>
Tensor<T> clip(const Tensor<T>& x, T low, T high);

// x where low <= guide <= high or guide is NaN, 0 elsewhere; same shapes.
template <Scalar T>
Tensor<T> keep_inside(const Tensor<T>& x, const Tensor<T>& guide, T low, T high);

// x where guide > 0 or guide is NaN, slope * x elsewhere; same shapes.
template <Scalar T>
Tensor<T> keep_positive(const Tensor<T>& x, const Tensor<T>& guide, T slope);

}  // namespace lamina::kernels
