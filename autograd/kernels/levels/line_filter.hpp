// What an instruction set has for minimal filtering along lines, as a table of functions over raw
// memory. Used by line_filtering.cpp in the folder above, which cuts the work, brings the memory
// and adds the sums.
#pragma once

#include <lamina/autograd/kernels/levels/minimal_filter.hpp>

namespace lamina::kernels {

struct RowRange {
  std::int64_t first, last;
};

// What one instruction set has for one size of kernels: serial loops over memory of the caller,
// which is aligned to lines of the cache. At most kMostLineChannels input channels.
inline constexpr std::int64_t kMostLineChannels =
    24;  // more leave the nearer caches at every point

struct LineFilter {
  std::int64_t outputs;  // per tile, along a line
  std::int64_t points;   // per tile

  // The kernel at every point.
  std::int64_t (*filters_size)(std::int64_t in_channels, std::int64_t out_channels);
  void (*transform_filters)(const KernelView& kernel, float* filters);

  // Output rows of one image, with scratch memory for so many rows. `past_caches`: y is written
  // around the caches; it must be aligned, and its channels whole lines of the cache.
  std::int64_t (*scratch_size)(const FilteringPass& pass, std::int64_t rows);
  void (*apply)(const FilteringPass& pass, const float* image, const float* filters,
                const RowRange& rows, bool past_caches, float* scratch, float* y);

  // Adds what output rows of one image give to the kernel's gradient at every point to `sum`, which
  // is as large as the filters; then the gradient from the total of `count` such sums.
  std::int64_t (*gradient_scratch_size)(const FilteringPass& pass, std::int64_t rows);
  void (*add_gradient)(const FilteringPass& pass, const float* image, const float* dy,
                       const RowRange& rows, float* scratch, float* sum);
  void (*finish_gradient)(std::int64_t in_channels, std::int64_t out_channels, const float* sums,
                          std::int64_t count, float* dkernel);
};

// Defined by levels/line_filtering.cpp, which is compiled once per level; null for other taps than
// 3 and 5.
namespace avx2 {
const LineFilter* line_filter(std::int64_t taps);
}
namespace avx512 {
const LineFilter* line_filter(std::int64_t taps);
}

}  // namespace lamina::kernels
