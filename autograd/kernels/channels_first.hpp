// Convolution of images in the order (images, channels, rows, columns), without transposing them
// all. What it computes: convolution.hpp.
//
// With a 1x1 kernel an image is a matrix as it is (pointwise_convolution.hpp). With a few channels
// on one side, where the transposes of the other side would take as long as the convolution, a few
// images at a time are transposed and convolved while a cache holds them.
//
// Images are shared out by shape, and what they add to the kernel's gradient is added in their
// order: the same bits on any number of threads. Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/convolution.hpp>

namespace lamina::kernels {

// Whether the functions below can compute this, and are faster than a convolution between
// transposes.
bool stays_channels_first(const ConvolutionSize& size);

template <Scalar T>
void channels_first_convolution(const ConvolutionSize& size, const T* x, const T* kernel, T* y);

template <Scalar T>
void channels_first_input_gradient(const ConvolutionSize& size, const T* dy, const T* kernel,
                                   T* dx);

template <Scalar T>
void channels_first_weight_gradient(const ConvolutionSize& size, const T* x, const T* dy,
                                    T* dkernel);

}  // namespace lamina::kernels
