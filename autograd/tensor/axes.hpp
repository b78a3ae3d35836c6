// Axes: which axes of a tensor an operation works on.
//
//   sum(x)            every axis
//   sum(x, 1)         one axis
//   sum(x, {0, -1})   a list; negative axes count from the end
//
// An empty list means every axis, as TensorFlow's axis=None. Errors (from mask()): ArgumentError
// for an axis outside [-rank, rank) or named twice, and for more than 8.
#pragma once

#include <array>
#include <initializer_list>
#include <lamina/autograd/tensor/shape.hpp>
#include <span>

namespace lamina {

class Axes {
 public:
  Axes() = default;                                         // every axis
  Axes(int axis) : Axes(std::span<const int>(&axis, 1)) {}  // NOLINT: implicit by intent
  Axes(std::initializer_list<int> axes) : Axes(std::span<const int>(axes.begin(), axes.size())) {}
  explicit Axes(std::span<const int> axes);
  Axes(bool) = delete;  // sum(x, true) is not sum(x, {}, true)

  bool every() const noexcept { return count_ == 0; }
  std::span<const int> list() const noexcept {
    return {axes_.data(), static_cast<std::size_t>(count_)};
  }

  // Bit i is set when axis i of a tensor of this rank is meant.
  unsigned mask(int rank, const char* who) const;

 private:
  std::array<int, kMaxRank> axes_{};
  int count_ = 0;
};

// The shape with every axis of the mask set to 1, or dropped.
Shape reduced_shape(const Shape& shape, unsigned mask, bool keepdims);

}  // namespace lamina
