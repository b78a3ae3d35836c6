// 1x1 convolution of images in the order (images, channels, rows, columns), stride 1, no padding,
// one group. Each image is a matrix (channels, positions), and nothing needs to be transposed:
//
//   y = kernel' x,   dx = kernel dy,   dkernel = sum over images of x dy'
//
//   x (images, in_channels, positions), y (images, out_channels, positions), kernel (in, out)
//
// Images are shared out, and their sums added in order: the same bits on any number of threads.
// Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/convolution.hpp>

namespace lamina::kernels {

// Whether the functions below can compute this, and images have positions enough to be worth it.
bool pointwise_by_image(const ConvolutionSize& size);

template <Scalar T>
void pointwise_convolution(const ConvolutionSize& size, const T* x, const T* kernel, T* y);

template <Scalar T>
void pointwise_input_gradient(const ConvolutionSize& size, const T* dy, const T* kernel, T* dx);

template <Scalar T>
void pointwise_weight_gradient(const ConvolutionSize& size, const T* x, const T* dy, T* dkernel);

}  // namespace lamina::kernels
