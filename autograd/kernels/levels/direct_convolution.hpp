// What an instruction set has for the direct method of convolution, as a table of functions over
// raw memory. Used by direct_convolution.cpp in the folder above, which cuts the work, brings the
// memory and adds the sums.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// Output i along an axis is the sum over taps a of input i stride + a dilation - before (which may
// be negative), where that lies in [0, in); it is written at place first + i step.
struct DirectAxis {
  std::int64_t in, out, taps, stride, dilation, before;
  std::int64_t first = 0, step = 1;
};

// One pass over images: x (images, rows.in, columns.in, in_channels) to
// y (images, out_rows, out_columns, out_channels).
struct DirectPass {
  std::int64_t images;
  DirectAxis rows, columns;
  std::int64_t in_channels, out_channels;
  std::int64_t out_rows, out_columns;
  // y is written past the cache: not where it is a sum of several blocks, and in whole lines of the
  // cache only.
  bool stream = false;
};

struct DirectRange {
  std::int64_t first, last;
};

// Serial loops over memory of the caller. A panel is 2 `lanes` output channels, the last one of a
// kernel possibly fewer; `padded` is the number of output channels, up to a multiple of lanes.
struct DirectConvolution {
  std::int64_t lanes;
  std::int64_t positions;  // so many images, or outputs of a row, fill the registers

  // Outputs of some images and rows, with scratch memory for so many rows. The kernel is packed in
  // blocks of `block` input channels (the last may be smaller), which are summed one after the
  // other: [block][panel][row tap][column tap][channel of the block][channel of the panel, up to
  // lanes].
  std::int64_t (*scratch_size)(const DirectPass& pass, std::int64_t rows);
  void (*apply)(const DirectPass& pass, std::int64_t block, const float* x, const float* packed,
                DirectRange images, DirectRange rows, float* scratch, float* y);

  // Adds what some images and output rows give to the gradient of the kernel's input channels
  // [channels.first, channels.last): sum [row tap][column tap][channel of these][padded].
  std::int64_t (*gradient_scratch_size)(const DirectPass& pass);
  void (*add_gradient)(const DirectPass& pass, const float* x, const float* dy, DirectRange images,
                       DirectRange rows, DirectRange channels, float* scratch, float* sum);
};

// Defined by levels/direct_convolution.cpp, which is compiled once per level.
namespace avx2 {
const DirectConvolution* direct_convolution();
}
namespace avx512 {
const DirectConvolution* direct_convolution();
}

}  // namespace lamina::kernels
