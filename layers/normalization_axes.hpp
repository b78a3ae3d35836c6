// NormalizationAxes: the axes that a normalization keeps, applied to one input shape.
//
// The kept axes (TensorFlow's `axis`) carry statistics and parameters of their own; all others are
// reduced. From them follow the shape of the parameters, the five extents of the kernels, and, only
// where kept axes are not adjacent, the one transposition that makes them so.
//
//   NormalizationAxes axes({1, 3}, Shape{2, 3, 4, 5});
//   axes.parameter_shape();   // (1, 3, 1, 5): several axes keep the rank; one axis alone gives (C)
//   axes.layout();            // after arranged(): outer 2, middle 4, channels 15
//
// Errors: ShapeError naming input and axis, in the order: rank 0, axis outside [-rank, rank), the
// same axis twice.
#pragma once

#include <cstdint>
#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/variable.hpp>
#include <optional>
#include <span>
#include <vector>

namespace lamina {

// The axes of an option, ascending and not negative, for one input.
std::vector<int> resolved_axes(const char* who, std::span<const std::int64_t> axis,
                               const Shape& input);

class NormalizationAxes {
 public:
  NormalizationAxes(std::span<const std::int64_t> axis, const Shape& input);

  const Shape& input() const noexcept { return input_; }
  // Ascending, not negative.
  const std::vector<int>& kept() const noexcept { return kept_; }
  Shape parameter_shape() const;
  const NormLayout& layout() const noexcept { return layout_; }

  // x with the kept axes side by side, and the way back; both are the identity for adjacent axes.
  template <Scalar T>
  Variable<T> arranged(const Variable<T>& x) const;
  template <Scalar T>
  Variable<T> restored(const Variable<T>& y) const;

  // Weights of the positions behind one channel, from a mask over the input's leading axes, in the
  // order of arranged(): one for every (outer, middle, inner). Extent 1 stands for all of an axis;
  // none is needed on trailing axes. An undefined mask gives undefined weights. ShapeError when the
  // mask does not fit or varies along a kept axis.
  template <Scalar T>
  Tensor<T> arranged_weights(const Tensor<T>& mask) const;

  // A variable that broadcasts to the input, as one value per channel; nothing where it varies
  // along a reduced axis.
  template <Scalar T>
  std::optional<Variable<T>> per_channel(const Variable<T>& variable) const;
  // A value per channel in the shape that broadcasts to the input.
  template <Scalar T>
  Variable<T> broadcastable(const Variable<T>& coefficient) const;

 private:
  Shape full_shape() const;
  bool adjacent() const noexcept { return order_.empty(); }

  Shape input_;
  std::vector<int> kept_;
  std::vector<int> order_;    // the transposition; empty where none is needed
  std::vector<int> inverse_;  // its inverse
  NormLayout layout_;
};

}  // namespace lamina
