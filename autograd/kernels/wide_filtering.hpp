// Minimal filtering (minimal_filtering.hpp) with many channels: the kernel at all points, 36 times
// in_channels times out_channels, is more than the caches hold, and would come from memory
// for every block of tiles.
//
// So tiles are taken by the hundred: their input is transformed once, and then each part of the
// output channels (two vectors) is one job, which transforms its own kernels, multiplies all points
// and transforms back. In the kernel's gradient the sums of a part stay with its job.
//
// Scratch memory: the input, and for the kernel's gradient the output's gradient, of one chunk at
// all points (12 MB, or 96 tiles); for more than one chunk the gradient's sums at all points, which
// is four times a kernel of 3x3.
//
// Rounding, infinities: as in minimal_filtering.hpp. Chunks and parts are cut by shape: the same
// bits on any number of threads.
// Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/levels/minimal_filter.hpp>

namespace lamina::kernels {

void wide_filtering(const WideFilter& filter, const FilteringPass& pass, const float* x,
                    const KernelView& kernel, float* y);

void wide_filtering_gradient(const WideFilter& filter, const FilteringPass& pass, const float* x,
                             const float* dy, float* dkernel);

}  // namespace lamina::kernels
