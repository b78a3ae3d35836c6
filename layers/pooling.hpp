// Pooling over the rows and columns of images. Formula, ties and extents: autograd/ops/pooling.hpp
// and spatial.hpp.
//
//   MaxPool2D             x (N, H, W, C) -> (N, H', W', C): the largest of every window
//   AveragePool2D         the same: the mean of what exists in every window (padding is not
//   counted) GlobalAveragePool2D   x (N, H, W, C) -> (N, C), or (N, 1, 1, C) with keepdims
//
// With Layout::channels_first all are (N, C, H, W). Strides: by default the window's own extents.
// Errors: ArgumentError for options out of range; ShapeError for an input of another rank, smaller
// than the window, or without any row or column. Thread-safety: as Module.
// Source: Keras 3, layers.MaxPooling2D, AveragePooling2D, GlobalAveragePooling2D.
#pragma once

#include <lamina/autograd/ops/pooling.hpp>
#include <lamina/layers/detail/plain_layer.hpp>

namespace lamina {

struct Pool2DOptions {
  Extents2 pool = {2, 2};
  std::optional<Extents2> strides = {};
  Padding padding = Padding::valid;
  Layout layout = Layout::channels_last;
  std::string name = {};

  void visit(OptionVisitor& visitor);
};

template <Scalar T>
class MaxPool2D : public PlainLayer<T, Pool2DOptions> {
 public:
  explicit MaxPool2D(Pool2DOptions options = {});
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "max_pool2d"; }
};

template <Scalar T>
class AveragePool2D : public PlainLayer<T, Pool2DOptions> {
 public:
  explicit AveragePool2D(Pool2DOptions options = {});
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "average_pool2d"; }
};

struct GlobalAveragePool2DOptions {
  Layout layout = Layout::channels_last;
  bool keepdims = false;
  std::string name = {};

  void visit(OptionVisitor& visitor);
};

template <Scalar T>
class GlobalAveragePool2D : public PlainLayer<T, GlobalAveragePool2DOptions> {
 public:
  explicit GlobalAveragePool2D(GlobalAveragePool2DOptions options = {});
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "global_average_pool2d"; }
};

extern template class MaxPool2D<float>;
extern template class MaxPool2D<double>;
extern template class AveragePool2D<float>;
extern template class AveragePool2D<double>;
extern template class GlobalAveragePool2D<float>;
extern template class GlobalAveragePool2D<double>;

}  // namespace lamina
