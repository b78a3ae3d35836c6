// Convolution by minimal filtering along lines: images of few channels, stride 1, dilation 1, one
// group, square kernels of 3 or 5 taps, float, channels last. What it computes: convolution.hpp;
// how: levels/filter_transform.hpp.
//
// Only the columns of the kernel are filtered, by F(4, 3) or F(4, 5): half of the products, or 40
// %. The second dimension would save more of them (minimal_filtering.hpp), but where few
// channels are summed for whole vectors of them, its transform of the outputs costs more.
//
// Rounding: the rms error is at most 4 times that of the direct method (direct_convolution.hpp),
// relative to the rms of the result, not of each element. An infinity or NaN spreads over the four
// outputs of every tile that reads it, and an exact 0 may come out as a rounding error.
// 5x5 with an output below 12 by 12 or with fewer than 4 channels of it would come to more, and is
// left to other methods, as is what has much padding. In the
// gradient a NaN fills what the taps of its kernel row share.
// Bands of rows and partial sums are cut by shape: the same bits on any number of threads.
// Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/convolution.hpp>
#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/levels/line_filter.hpp>

namespace lamina::kernels {

// Null where the kernels of that level cannot compute this pass of the convolution: the input's
// gradient is a convolution of the output's, whose channels must be few.
const LineFilter* line_filter(const ConvolutionSize& size, ConvolutionPass pass,
                              InstructionSet level);

// The same for the level in use; null also where other methods are as fast.
const LineFilter* faster_line_filter(const ConvolutionSize& size, ConvolutionPass pass);

void line_convolution(const LineFilter& filter, const ConvolutionSize& size, const float* x,
                      const float* kernel, float* y);
void line_input_gradient(const LineFilter& filter, const ConvolutionSize& size, const float* dy,
                         const float* kernel, float* dx);
void line_weight_gradient(const LineFilter& filter, const ConvolutionSize& size, const float* x,
                          const float* dy, float* dkernel);

}  // namespace lamina::kernels
