// What an instruction set has for minimal filtering, as a table of functions over raw memory. Used
// by minimal_filtering.cpp, which cuts the work, brings the memory and adds the sums.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// One pass over images: output (i, j) is the sum over taps (a, b) of input (i + a - above,
// j + b - left), 0 outside.
struct FilteringPass {
  std::int64_t images;
  std::int64_t in_rows, in_columns, in_channels;
  std::int64_t out_rows, out_columns, out_channels;
  std::int64_t above, left;
};

// What one instruction set has for one size of kernels: serial loops over memory of the caller.
// Tiles of all images are numbered through. At least 16 channels, in and out.
struct MinimalFilter {
  std::int64_t outputs;  // per tile and axis
  std::int64_t points;   // per tile
  std::int64_t block;    // tiles that are transformed together; the scratch memory holds one block

  // The kernel (taps, taps, in, out) at every point, for input channels [first, last). Turned: the
  // kernel is (taps, taps, out, in) and turned around, as the input's gradient needs it.
  std::int64_t (*filters_size)(std::int64_t in_channels, std::int64_t out_channels);
  void (*transform_filters)(const float* kernel, std::int64_t in_channels,
                            std::int64_t out_channels, bool turned, std::int64_t first,
                            std::int64_t last, float* filters);

  // Tiles [first, last) of y. `zeros`: as many as there are input channels.
  std::int64_t (*scratch_size)(const FilteringPass& pass);
  void (*apply)(const FilteringPass& pass, const float* x, const float* filters, const float* zeros,
                std::int64_t first, std::int64_t last, float* scratch, float* y);

  // Adds what tiles [first, last) give to the kernel's gradient at every point to `sum`; then the
  // gradient for input channels [first, last) from the total of `count` such sums. `zeros`: as many
  // as the larger of the numbers of channels.
  std::int64_t (*sum_size)(std::int64_t in_channels, std::int64_t out_channels);
  std::int64_t (*gradient_scratch_size)(const FilteringPass& pass);
  void (*add_gradient)(const FilteringPass& pass, const float* x, const float* dy,
                       const float* zeros, std::int64_t first, std::int64_t last, float* scratch,
                       float* sum);
  void (*finish_gradient)(std::int64_t in_channels, std::int64_t out_channels, const float* sums,
                          std::int64_t count, std::int64_t first, std::int64_t last,
                          float* dkernel);
};

// Defined by levels/minimal_filtering.cpp, which is compiled once per level; null for other taps.
namespace avx2 {
const MinimalFilter* minimal_filter(std::int64_t taps, bool kernel_gradient);
}
namespace avx512 {
const MinimalFilter* minimal_filter(std::int64_t taps, bool kernel_gradient);
}

}  // namespace lamina::kernels
