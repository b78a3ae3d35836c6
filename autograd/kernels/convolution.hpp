// Convolution of channels-last images as matrix products: the windows of some output lines are laid
// out as rows of a matrix in scratch memory (im2col), and multiplied by the kernel. Where minimal
// filtering is faster (minimal_filtering.hpp), it takes the place of this direct method.
//
//   x (images, rows.in, columns.in, in_channels), y (images, rows.out, columns.out, out_channels),
//   kernel (rows.kernel, columns.kernel, in_channels / groups, out_channels); outputs are assigned.
//
// Tiles are cut by shape and partial sums added in order: the same bits on any number of threads.
// Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/window.hpp>
#include <lamina/autograd/tensor/scalar.hpp>

namespace lamina::kernels {

struct ConvolutionSize {
  std::int64_t images;
  WindowAxis rows;
  WindowAxis columns;
  std::int64_t in_channels;
  std::int64_t out_channels;
  std::int64_t groups = 1;
  bool exact = false;  // the direct method everywhere
};

enum class ConvolutionPass : std::uint8_t { forward, input_gradient, weight_gradient };

template <Scalar T>
void convolution(const ConvolutionSize& size, const T* x, const T* kernel, T* y);

template <Scalar T>
void convolution_input_gradient(const ConvolutionSize& size, const T* dy, const T* kernel, T* dx);

template <Scalar T>
void convolution_weight_gradient(const ConvolutionSize& size, const T* x, const T* dy, T* dkernel);

}  // namespace lamina::kernels
