// Pooling over windows of images, each channel by itself:
//
//   max:      the largest element; of equal ones the first in row-major order is the one that
//   counts,
//             padding never wins, and NaN does
//   average:  the mean of the elements that exist (padding is not counted)
//
//   x (N, H, W, C) or, with Layout::channels_first, (N, C, H, W); the output's extents:
//   spatial.hpp.
//
// Derivatives of any order. Errors: ArgumentError (extents of the window or strides below 1,
// padding negative or not smaller than the window), ShapeError (a rank other than 4, a window
// larger than the image). Thread-safety: as Variable.
#pragma once

#include <lamina/autograd/ops/spatial.hpp>
#include <lamina/autograd/variable.hpp>
#include <optional>

namespace lamina {

struct PoolingOptions {
  Pair pool{2, 2};
  std::optional<Pair> strides = {};  // default: the window's own extents
  Padding padding = Padding::valid;
  Layout layout = Layout::channels_last;
};

template <Scalar T>
Variable<T> max_pool2d(const Variable<T>& x, const PoolingOptions& options = {});

template <Scalar T>
Variable<T> average_pool2d(const Variable<T>& x, const PoolingOptions& options = {});

// The shape of both results; checks everything that they check.
Shape pool2d_output_shape(const Shape& input, const PoolingOptions& options, const char* who);

}  // namespace lamina
