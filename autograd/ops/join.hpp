// Ops that join several tensors into one. Derivatives of any order. Thread-safety: as Variable.
#pragma once

#include <initializer_list>
#include <lamina/autograd/variable.hpp>
#include <span>

namespace lamina {

// One after the other along `axis`; the other extents agree, else ShapeError. ArgumentError: no
// inputs.
template <Scalar T>
Variable<T> concatenate(std::span<const Variable<T>> inputs, int axis);
template <Scalar T>
Variable<T> concatenate(std::initializer_list<Variable<T>> inputs, int axis) {
  return concatenate(std::span<const Variable<T>>(inputs.begin(), inputs.size()), axis);
}

// Side by side along a new axis, before axis `axis` of the inputs (-1: the new axis is the last).
// One shape, else ShapeError. ArgumentError: no inputs.
template <Scalar T>
Variable<T> stack(std::span<const Variable<T>> inputs, int axis);
template <Scalar T>
Variable<T> stack(std::initializer_list<Variable<T>> inputs, int axis) {
  return stack(std::span<const Variable<T>>(inputs.begin(), inputs.size()), axis);
}

}  // namespace lamina
