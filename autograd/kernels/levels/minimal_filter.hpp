// What an instruction set has for minimal filtering, as tables of functions over raw memory. Used
// by minimal_filtering.cpp and wide_filtering.cpp, which cut the work, bring the memory and add the
// sums.
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

// The kernel (taps, taps, in, out) of a pass. Turned: it lies as (taps, taps, out, in) and is
// turned around, as the input's gradient needs it.
struct KernelView {
  const float* data;
  std::int64_t in_channels, out_channels;
  bool turned;
};

struct TileRange {
  std::int64_t first, count;
};

// What one instruction set has for one size of kernels and many channels, where the whole kernel at
// all points would leave the caches. The input of a range of tiles, a chunk, is transformed as a
// whole; then each part of the output channels is computed at once, kernel's transform included.
// Serial loops over memory of the caller; at least 16 channels, in and out.
struct WideFilter {
  std::int64_t outputs;  // per tile and axis
  std::int64_t points;   // per tile
  std::int64_t (*parts)(std::int64_t out_channels);

  // Tiles [first, last), counted from the beginning of the chunk, at every point. `zeros`: as many
  // as there are channels.
  std::int64_t (*input_size)(std::int64_t tiles, std::int64_t in_channels);
  void (*spread_input)(const FilteringPass& pass, const float* x, const float* zeros,
                       const TileRange& chunk, std::int64_t first, std::int64_t last,
                       float* spectrum);

  // The outputs of a chunk, for one part of the channels.
  std::int64_t (*scratch_size)(std::int64_t tiles, std::int64_t in_channels);
  void (*apply)(const FilteringPass& pass, const KernelView& kernel, const float* spectrum,
                const TileRange& chunk, std::int64_t part, float* scratch, float* y);

  // The same for the kernel's gradient: the output's gradient at every point; what a chunk gives to
  // the sums of one part, stored there or added; the gradient from the sums.
  std::int64_t (*gradient_size)(std::int64_t tiles, std::int64_t out_channels);
  void (*spread_gradient)(const FilteringPass& pass, const float* dy, const float* zeros,
                          const TileRange& chunk, std::int64_t first, std::int64_t last,
                          float* spectrum);
  std::int64_t (*sum_size)(std::int64_t in_channels);
  void (*add_gradient)(const FilteringPass& pass, const float* input, const float* gradient,
                       std::int64_t tiles, std::int64_t part, bool add, float* sum);
  void (*finish_gradient)(const FilteringPass& pass, std::int64_t part, const float* sum,
                          float* dkernel);
};

// Input channels whose sums of the kernel's gradient are added up together: they lie side by side,
// points and sums far apart.
inline constexpr std::int64_t kSumGroup = 4;

// What one instruction set has for one size of kernels: serial loops over memory of the caller.
// Tiles of all images are numbered through. At least one vector of channels, in and out.
struct MinimalFilter {
  std::int64_t outputs;  // per tile and axis
  std::int64_t points;   // per tile
  std::int64_t block;    // tiles that are transformed together; the scratch memory holds one block

  // The kernel at every point, for input channels [first, last).
  std::int64_t (*filters_size)(std::int64_t in_channels, std::int64_t out_channels);
  void (*transform_filters)(const KernelView& kernel, std::int64_t first, std::int64_t last,
                            float* filters);

  // Tiles [first, last) of y. `zeros`: as many as there are input channels.
  std::int64_t (*scratch_size)(const FilteringPass& pass);
  void (*apply)(const FilteringPass& pass, const float* x, const float* filters, const float* zeros,
                std::int64_t first, std::int64_t last, float* scratch, float* y);

  // What tiles [first, last) give to the kernel's gradient at every point, stored in `sum`; then
  // the gradient for input channels [first, last) from the total of `count` such sums. `zeros`: as
  // many as the larger of the numbers of channels.
  std::int64_t (*sum_size)(std::int64_t in_channels, std::int64_t out_channels);
  std::int64_t (*gradient_scratch_size)(const FilteringPass& pass);
  void (*sum_gradient)(const FilteringPass& pass, const float* x, const float* dy,
                       const float* zeros, std::int64_t first, std::int64_t last, float* scratch,
                       float* sum);
  void (*finish_gradient)(std::int64_t in_channels, std::int64_t out_channels, const float* sums,
                          std::int64_t count, std::int64_t first, std::int64_t last,
                          float* dkernel);

  const WideFilter* wide;  // for 5x5 always F(2, 5): over many channels F(3, 5) rounds too much
};

// Defined by levels/minimal_filtering.cpp and levels/wide_filtering.cpp, which are compiled once
// per level. minimal_filter() is null for other taps than 3 and 5; precise, it takes more products
// where that rounds less: F(2, 5) instead of F(3, 5).
namespace avx2 {
const MinimalFilter* minimal_filter(std::int64_t taps, bool precise);
extern const WideFilter wide_filter_3, wide_filter_5;
}  // namespace avx2
namespace avx512 {
const MinimalFilter* minimal_filter(std::int64_t taps, bool precise);
extern const WideFilter wide_filter_3, wide_filter_5;
}  // namespace avx512

}  // namespace lamina::kernels
