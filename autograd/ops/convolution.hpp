// Convolution over images (a correlation, as everywhere in the field):
//
//   y[n, i, j, o] = sum_{a, b, c} x[n, i s_h + a d_h - top, j s_w + b d_w - left, g C/groups + c]
//                                 kernel[a, b, c, o],        g = o div (O / groups)
//
//   x (N, H, W, C) or, with Layout::channels_first, (N, C, H, W);  kernel (a, b, C / groups, O) in
//   both layouts (HWIO);  y like x with the output's extents (see spatial.hpp).
//
// The three functions are bilinear, and the derivative of each is made of the others, so that
// derivatives of any order exist.
// Errors: ArgumentError (strides, dilation or groups below 1, negative padding), ShapeError (ranks,
// channels that disagree or that the groups do not divide, a kernel larger than the padded image, a
// gradient of another shape than the output's). Thread-safety: as Variable.
#pragma once

#include <lamina/autograd/ops/spatial.hpp>
#include <lamina/autograd/variable.hpp>

namespace lamina {

struct ConvolutionOptions {
  Pair strides{1, 1};
  Padding padding = Padding::valid;
  Pair dilation{1, 1};
  std::int64_t groups = 1;
  Layout layout = Layout::channels_last;
  // The sum above as it stands, and never minimal filtering, which is faster and rounds up to 4
  // times as much (docs/performance.md). In float alone; double is always exact in this sense.
  bool exact = false;
};

template <Scalar T>
Variable<T> conv2d(const Variable<T>& x, const Variable<T>& kernel,
                   const ConvolutionOptions& options = {});

// dL/dx of a conv2d whose input had `input_shape`, from dL/dy. It is also the transposed
// convolution.
template <Scalar T>
Variable<T> conv2d_input_gradient(const Variable<T>& output_gradient, const Variable<T>& kernel,
                                  const Shape& input_shape, const ConvolutionOptions& options = {});

// dL/dkernel of a conv2d whose kernel had `kernel_shape`, from dL/dy.
template <Scalar T>
Variable<T> conv2d_weight_gradient(const Variable<T>& x, const Variable<T>& output_gradient,
                                   const Shape& kernel_shape,
                                   const ConvolutionOptions& options = {});

// The shape of conv2d's result; checks everything that conv2d checks.
Shape conv2d_output_shape(const Shape& input, const Shape& kernel,
                          const ConvolutionOptions& options);

}  // namespace lamina
