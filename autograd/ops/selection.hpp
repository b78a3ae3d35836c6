// Ops that choose between values, element by element, with NumPy's broadcasting. The gradient goes
// to the value that was chosen; where there is a choice it is fixed (TensorFlow's):
//
//   maximum, minimum of equal operands   all to the first
//   clip on its bounds                   1
//
// Errors: ShapeError when operands do not broadcast; ArgumentError for bounds of clip in the wrong
// order or NaN. Thread-safety: as Variable.
#pragma once

#include <cstdint>
#include <lamina/autograd/variable.hpp>
#include <type_traits>

namespace lamina {

// NaN in either operand gives NaN.
template <Scalar T>
Variable<T> maximum(const Variable<T>& a, const Variable<T>& b);
template <Scalar T>
Variable<T> minimum(const Variable<T>& a, const Variable<T>& b);

// x brought into [low, high]; NaN stays NaN.
template <Scalar T>
Variable<T> clip(const Variable<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high);

// a where the condition is not 0, else b. What is not chosen has no influence, be it NaN.
template <Scalar T>
Variable<T> where(const Tensor<std::uint8_t>& condition, const Variable<T>& a,
                  const Variable<T>& b);

// x where the mask is not 0, else 0.
template <Scalar T>
Variable<T> keep_where(const Tensor<std::uint8_t>& mask, const Variable<T>& x);

}  // namespace lamina
