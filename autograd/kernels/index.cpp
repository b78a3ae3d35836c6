#include <algorithm>
#include <lamina/autograd/kernels/index.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {

namespace {

// Elements that are worth a tile of their own.
constexpr std::int64_t kTileElements = std::int64_t{1} << 15;

std::int64_t tiles_of(std::int64_t count, std::int64_t per_tile) {
  return (count + per_tile - 1) / per_tile;
}

std::int64_t elements_per_tile(std::int64_t size_of_each) {
  return std::max<std::int64_t>(1, kTileElements / std::max<std::int64_t>(1, size_of_each));
}

}  // namespace

template <Scalar T>
void gather_slices(std::int64_t outer, std::int64_t extent, std::int64_t inner,
                   std::span<const std::int64_t> indices, const T* x, T* y) {
  const auto count = static_cast<std::int64_t>(indices.size());
  const std::int64_t slices = outer * count;
  const std::int64_t per_tile = elements_per_tile(inner);
  parallel_for(tiles_of(slices, per_tile), [&](std::int64_t tile) {
    const std::int64_t last = std::min(slices, (tile + 1) * per_tile);
    for (std::int64_t slice = tile * per_tile; slice < last; ++slice) {
      const std::int64_t index = indices[static_cast<std::size_t>(slice % count)];
      std::copy_n(x + (slice / count * extent + index) * inner, inner, y + slice * inner);
    }
  });
}

template <Scalar T>
void scatter_add_slices(std::int64_t outer, std::int64_t extent, std::int64_t inner,
                        std::span<const std::int64_t> indices, const T* y, T* x) {
  const auto count = static_cast<std::int64_t>(indices.size());
  // Tiles are columns of slices, because two equal indices add into one slice.
  const std::int64_t width = std::min(inner, elements_per_tile(count + extent));
  if (width == 0) return;
  const std::int64_t strips = tiles_of(inner, width);
  const auto add_strip = [&](std::int64_t o, std::int64_t first) {
    const std::int64_t length = std::min(width, inner - first);
    T* const to = x + o * extent * inner + first;
    const T* from = y + o * count * inner + first;
    for (std::int64_t i = 0; i < extent; ++i) std::fill_n(to + i * inner, length, T{0});
    for (const std::int64_t index : indices) {
      for (std::int64_t c = 0; c < length; ++c) to[index * inner + c] += from[c];
      from += inner;
    }
  };
  const std::int64_t per_tile = elements_per_tile(width * (count + extent));
  parallel_for(tiles_of(outer * strips, per_tile), [&](std::int64_t tile) {
    const std::int64_t last = std::min(outer * strips, (tile + 1) * per_tile);
    for (std::int64_t strip = tile * per_tile; strip < last; ++strip) {
      add_strip(strip / strips, strip % strips * width);
    }
  });
}

#define LAMINA_INSTANTIATE(T)                                                \
  template void gather_slices(std::int64_t, std::int64_t, std::int64_t,      \
                              std::span<const std::int64_t>, const T*, T*);  \
  template void scatter_add_slices(std::int64_t, std::int64_t, std::int64_t, \
                                   std::span<const std::int64_t>, const T*, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::kernels
