// Convolution as it is defined, by small tiles of registers: float, channels last, one group, any
// kernel, stride and dilation. What it computes: convolution.hpp; how: levels/direct_tile.hpp.
//
// Values of the input are read where they lie, and products with padding are left out. (With up to
// 4 channels to sum over, 16 for the kernel's gradient, they may be computed: there, rows are
// copied with their padding.) The input's gradient is, for every remainder of a position by the
// stride, a convolution of the output's gradient with those taps that meet it. Sums run in chains
// of some hundred products.
//
// Work and partial sums are cut by shape: the same bits on any number of threads.
// Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/convolution.hpp>
#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/levels/direct_convolution.hpp>

namespace lamina::kernels {

// Null where that level has no kernels for this convolution.
const DirectConvolution* direct_kernels(const ConvolutionSize& size, InstructionSet level);

// The same for the level in use; null also where the products of matrices (convolution.cpp) are as
// fast.
const DirectConvolution* faster_direct_kernels(const ConvolutionSize& size, ConvolutionPass pass);

void direct_convolution(const DirectConvolution& direct, const ConvolutionSize& size,
                        const float* x, const float* kernel, float* y);
void direct_input_gradient(const DirectConvolution& direct, const ConvolutionSize& size,
                           const float* dy, const float* kernel, float* dx);
void direct_weight_gradient(const DirectConvolution& direct, const ConvolutionSize& size,
                            const float* x, const float* dy, float* dkernel);

}  // namespace lamina::kernels
