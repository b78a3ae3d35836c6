// Ops that move elements without computing: reshaping, transposing, slicing, padding, repeating.
//
// Every function leaves its argument alone and has derivatives of any order; axes may be negative,
// counted from the end. reshape shares its storage, the others copy.
// Thread-safety: as Variable.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <lamina/autograd/tensor/axes.hpp>
#include <lamina/autograd/variable.hpp>
#include <optional>
#include <span>

namespace lamina {

// The same elements in row-major order under another shape of the same size. In the forms that take
// a list one extent may be -1, and is inferred. ShapeError otherwise.
template <Scalar T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape);
template <Scalar T>
Variable<T> reshape(const Variable<T>& x, std::span<const std::int64_t> extents);
template <Scalar T>
Variable<T> reshape(const Variable<T>& x, std::initializer_list<std::int64_t> extents) {
  return reshape(x, std::span<const std::int64_t>(extents.begin(), extents.size()));
}

// Axis i of the result is axis axes[i] of x: a permutation, else ArgumentError. Without axes:
// reversed.
template <Scalar T>
Variable<T> transpose(const Variable<T>& x);
template <Scalar T>
Variable<T> transpose(const Variable<T>& x, std::span<const int> axes);
template <Scalar T>
Variable<T> transpose(const Variable<T>& x, std::initializer_list<int> axes) {
  return transpose(x, std::span<const int>(axes.begin(), axes.size()));
}

// NumPy's start:stop:step of one axis. Negative positions count from the end, positions outside are
// clipped, a negative step walks backwards; what is not given is the whole axis.
struct Range {
  std::optional<std::int64_t> start = {};
  std::optional<std::int64_t> stop = {};
  std::int64_t step = 1;
};

// x[start:stop:step, ...], one range per leading axis; axes without a range stay whole.
//   slice(x, {{.start = 1, .stop = 3}, {}, {.step = -1}})
// ArgumentError: a step of 0. ShapeError: more ranges than axes.
template <Scalar T>
Variable<T> slice(const Variable<T>& x, std::span<const Range> ranges);
template <Scalar T>
Variable<T> slice(const Variable<T>& x, std::initializer_list<Range> ranges) {
  return slice(x, std::span<const Range>(ranges.begin(), ranges.size()));
}

// Elements in front of and behind one axis.
struct Pad {
  std::int64_t before = 0;
  std::int64_t after = 0;
};

// x inside a larger tensor filled with `value`; one pad per axis. ArgumentError: a negative pad.
// ShapeError: another number of pads than axes.
template <Scalar T>
Variable<T> pad(const Variable<T>& x, std::span<const Pad> pads, double value = 0);
template <Scalar T>
Variable<T> pad(const Variable<T>& x, std::initializer_list<Pad> pads, double value = 0) {
  return pad(x, std::span<const Pad>(pads.begin(), pads.size()), value);
}

// x with the order along the axes reversed.
template <Scalar T>
Variable<T> flip(const Variable<T>& x, const Axes& axes = {});

// x repeated multiples[i] >= 0 times along axis i; one number per axis.
template <Scalar T>
Variable<T> tile(const Variable<T>& x, std::span<const std::int64_t> multiples);
template <Scalar T>
Variable<T> tile(const Variable<T>& x, std::initializer_list<std::int64_t> multiples) {
  return tile(x, std::span<const std::int64_t>(multiples.begin(), multiples.size()));
}

// x repeated along its axes of extent 1 and along new leading axes, as NumPy broadcasts; ShapeError
// where it does not. The adjoint is sum_to.
template <Scalar T>
Variable<T> broadcast_to(const Variable<T>& x, const Shape& shape);

}  // namespace lamina
