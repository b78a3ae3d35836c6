#include <algorithm>
#include <lamina/autograd/kernels/minimal_filtering.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/kernels/wide_filtering.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <optional>

namespace lamina::kernels {

namespace {

// The input of a chunk at all points: it is read once per part, from the last cache.
constexpr std::int64_t kChunkBytes = std::int64_t{12} << 20;
// A chunk of fewer tiles would spend its time on the kernel's transform.
constexpr std::int64_t kFewestTiles = 96;
// Tiles that are transformed as one job.
constexpr std::int64_t kJobTiles = 8;

// All tiles, in chunks of about equal length.
struct Chunks {
  Chunks(const WideFilter& filter, const FilteringPass& pass) {
    tiles = filtering_tiles(pass, filter.outputs);
    const std::int64_t tile_bytes =
        filter.points * pass.in_channels * static_cast<std::int64_t>(sizeof(float));
    const std::int64_t most = std::max(kFewestTiles, kChunkBytes / tile_bytes);
    count = std::max<std::int64_t>(1, (tiles + most - 1) / most);
    longest = (tiles + count - 1) / count;
  }

  TileRange at(std::int64_t chunk) const {
    const std::int64_t first = tiles * chunk / count;
    return {first, tiles * (chunk + 1) / count - first};
  }

  std::int64_t tiles = 0, count = 0, longest = 0;
};

// body(first, last) for the tiles of a chunk.
template <class Body>
void for_tiles(const TileRange& chunk, Body&& body) {
  parallel_for((chunk.count + kJobTiles - 1) / kJobTiles, [&](std::int64_t job) {
    body(job * kJobTiles, std::min(chunk.count, (job + 1) * kJobTiles));
  });
}

}  // namespace

void wide_filtering(const WideFilter& filter, const FilteringPass& pass, const float* x,
                    const KernelView& kernel, float* y) {
  const Chunks chunks(filter, pass);
  const Zeros outside(pass.in_channels);
  Scratch<float> spectrum(filter.input_size(chunks.longest, pass.in_channels));
  for (std::int64_t i = 0; i < chunks.count; ++i) {
    const TileRange chunk = chunks.at(i);
    for_tiles(chunk, [&](std::int64_t first, std::int64_t last) {
      filter.spread_input(pass, x, outside.data(), chunk, first, last, spectrum.data());
    });
    parallel_for(filter.parts(pass.out_channels), [&](std::int64_t part) {
      Scratch<float> scratch(filter.scratch_size(chunk.count, pass.in_channels));
      filter.apply(pass, kernel, spectrum.data(), chunk, part, scratch.data(), y);
    });
  }
}

void wide_filtering_gradient(const WideFilter& filter, const FilteringPass& pass, const float* x,
                             const float* dy, float* dkernel) {
  const Chunks chunks(filter, pass);
  const Zeros outside(std::max(pass.in_channels, pass.out_channels));
  Scratch<float> input(filter.input_size(chunks.longest, pass.in_channels));
  Scratch<float> gradient(filter.gradient_size(chunks.longest, pass.out_channels));
  const std::int64_t parts = filter.parts(pass.out_channels);
  const std::int64_t sum_size = filter.sum_size(pass.in_channels);
  // Of one chunk, the sums of a part need not outlive their job.
  Scratch<float> kept(chunks.count > 1 ? parts * sum_size : 0);
  for (std::int64_t i = 0; i < chunks.count; ++i) {
    const TileRange chunk = chunks.at(i);
    for_tiles(chunk, [&](std::int64_t first, std::int64_t last) {
      filter.spread_input(pass, x, outside.data(), chunk, first, last, input.data());
      filter.spread_gradient(pass, dy, outside.data(), chunk, first, last, gradient.data());
    });
    parallel_for(parts, [&](std::int64_t part) {
      std::optional<Scratch<float>> own;
      if (chunks.count == 1) own.emplace(sum_size);
      float* const sum = own ? own->data() : kept.data() + part * sum_size;
      if (chunks.tiles == 0) std::fill_n(sum, sum_size, 0.0F);
      filter.add_gradient(pass, input.data(), gradient.data(), chunk.count, part, i > 0, sum);
      if (i + 1 == chunks.count) filter.finish_gradient(pass, part, sum, dkernel);
    });
  }
}

}  // namespace lamina::kernels
