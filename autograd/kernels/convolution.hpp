// Convolution of channels-last images. Float goes to the kernels of the instruction set: to minimal
// filtering where that is faster, of squares (minimal_filtering.hpp), with few channels along lines
// (line_filtering.hpp); otherwise to the direct method in tiles of registers
// (direct_convolution.hpp). What remains (double, groups, very few channels in the result, the
// level `baseline`) is computed as matrix products: the windows of some output lines are laid out
// as rows of a matrix in scratch memory (im2col), and multiplied by the kernel.
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
  bool exact = false;  // never minimal filtering
};

enum class ConvolutionPass : std::uint8_t { forward, input_gradient, weight_gradient };

template <Scalar T>
void convolution(const ConvolutionSize& size, const T* x, const T* kernel, T* y);

template <Scalar T>
void convolution_input_gradient(const ConvolutionSize& size, const T* dy, const T* kernel, T* dx);

template <Scalar T>
void convolution_weight_gradient(const ConvolutionSize& size, const T* x, const T* dy, T* dkernel);

}  // namespace lamina::kernels
