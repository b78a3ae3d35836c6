// Reductions.
#pragma once

#include <lamina/autograd/variable.hpp>

namespace lamina {

// The sum over the axes along which `shape` broadcasts to x's shape: the adjoint of broadcast_to.
template <Scalar T>
Variable<T> sum_to(const Variable<T>& x, const Shape& shape);

}  // namespace lamina
