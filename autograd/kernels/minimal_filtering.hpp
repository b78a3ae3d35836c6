// Convolution by minimal filtering (Winograd): stride 1, dilation 1, one group, square kernels of
// 3 or 5 taps, float, channels last. What it computes: convolution.hpp; how:
// levels/filter_transform.hpp.
//
// 3x3 is F(4, 3), a quarter of the products; 5x5 is F(3, 5), 22 %, and where that would round too
// much (the kernel's gradient, more than 128 channels, images below 13 by 13) F(2, 5), 36 %. The
// image is cut into tiles; a block of tiles is transformed, multiplied by the transformed kernel
// one point at a time, and transformed back while it lies in the second-level cache. With many
// channels: wide_filtering.hpp.
//
// Rounding: the rms error is at most 4 times that of the direct method (direct_convolution.hpp),
// relative to the rms of the result, not of each element. Where much of the windows is padding,
// direct sums are short, and filtering is not taken. An infinity or NaN spreads over the
// outputs (4x4 or 3x3) of every tile that reads it, and an exact 0 may come out as a rounding
// error. Blocks and partial sums are cut by shape: the same bits on any number of threads.
// Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/convolution.hpp>
#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/levels/minimal_filter.hpp>

namespace lamina::kernels {

// Null where the kernels of that level cannot compute this pass of the convolution: with fewer than
// 8 channels in or out, or 16 on the level avx512.
const MinimalFilter* minimal_filter(const ConvolutionSize& size, ConvolutionPass pass,
                                    InstructionSet level);

// The same for the level in use, or for vectors of 8 where there are fewer than 16 channels; null
// also where another method is as fast.
const MinimalFilter* faster_minimal_filter(const ConvolutionSize& size, ConvolutionPass pass);

// What the levels compute. The input's gradient is a convolution of the output's, with the kernel
// turned around.
FilteringPass filtering_pass(const ConvolutionSize& size, ConvolutionPass pass);

// Tiles of all images, `outputs` by `outputs` each.
std::int64_t filtering_tiles(const FilteringPass& pass, std::int64_t outputs);

// Products of one image and pair of channels, the same in every pass, without those with padding.
std::int64_t products_inside(const ConvolutionSize& size);

void filtered_convolution(const MinimalFilter& filter, const ConvolutionSize& size, const float* x,
                          const float* kernel, float* y);
void filtered_input_gradient(const MinimalFilter& filter, const ConvolutionSize& size,
                             const float* dy, const float* kernel, float* dx);
void filtered_weight_gradient(const MinimalFilter& filter, const ConvolutionSize& size,
                              const float* x, const float* dy, float* dkernel);

}  // namespace lamina::kernels
