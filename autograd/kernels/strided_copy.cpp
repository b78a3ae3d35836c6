#include <algorithm>
#include <cstring>
#include <lamina/autograd/kernels/levels/transpose.hpp>
#include <lamina/autograd/kernels/of_level.hpp>
#include <lamina/autograd/kernels/past_caches.hpp>
#include <lamina/autograd/kernels/strided_copy.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <type_traits>
#include <utility>

namespace lamina::kernels {

namespace {

constexpr std::int64_t kSquare = 16;

struct Axis {
  std::int64_t extent;
  std::int64_t in;
  std::int64_t out;
};

// The axes without those of extent 1, and with neighbours joined that are walked as one.
struct Walk {
  std::array<Axis, kMaxRank> axes;
  int rank = 0;
};

Walk simplified(const Shape& extents, const Strides& in, const Strides& out) {
  Walk walk;
  for (int axis = 0; axis < extents.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    const Axis next{extents[axis], in[i], out[i]};
    if (next.extent == 1) continue;
    if (walk.rank > 0) {
      Axis& last = walk.axes[static_cast<std::size_t>(walk.rank - 1)];
      if (last.in == next.in * next.extent && last.out == next.out * next.extent) {
        last = {last.extent * next.extent, next.in, next.out};
        continue;
      }
    }
    walk.axes[static_cast<std::size_t>(walk.rank++)] = next;
  }
  return walk;
}

template <Element T>
void copy_row(const Axis& axis, const T* in, T* out) {
  if (axis.in == 1 && axis.out == 1) {
    std::memcpy(out, in, sizeof(T) * static_cast<std::size_t>(axis.extent));
  } else if (axis.in == 0 && axis.out == 1) {
    std::fill_n(out, axis.extent, *in);
  } else {
    for (std::int64_t i = 0; i < axis.extent; ++i) out[i * axis.out] = in[i * axis.in];
  }
}

template <Element T>
void copy_plane(const Axis& outer, const Axis& inner, const T* in, T* out, bool past) {
  const bool transposes = (outer.in == 1 && inner.in != 1) || (outer.out == 1 && inner.out != 1);
  if (!transposes) {
    for (std::int64_t i = 0; i < outer.extent; ++i) {
      copy_row(inner, in + i * outer.in, out + i * outer.out);
    }
    return;
  }
  if constexpr (std::is_same_v<T, float>) {
    const Transpose transpose = LAMINA_OF_LEVEL(instruction_set(), transpose());
    if (transpose != nullptr && outer.in == 1 && inner.out == 1) {
      return transpose(in, inner.in, inner.extent, outer.extent, out, outer.out, past);
    }
    if (transpose != nullptr && outer.out == 1 && inner.in == 1) {
      return transpose(in, outer.in, outer.extent, inner.extent, out, inner.out, past);
    }
  }
  for (std::int64_t i0 = 0; i0 < outer.extent; i0 += kSquare) {
    const std::int64_t i1 = std::min(outer.extent, i0 + kSquare);
    for (std::int64_t j0 = 0; j0 < inner.extent; j0 += kSquare) {
      const Axis part{std::min(kSquare, inner.extent - j0), inner.in, inner.out};
      for (std::int64_t i = i0; i < i1; ++i) {
        copy_row(part, in + i * outer.in + j0 * inner.in, out + i * outer.out + j0 * inner.out);
      }
    }
  }
}

template <Element T>
void copy_axes(const Axis* axes, int rank, const T* in, T* out, bool past) {
  if (rank == 0) {
    *out = *in;
  } else if (rank == 1) {
    copy_row(axes[0], in, out);
  } else if (rank == 2) {
    copy_plane(axes[0], axes[1], in, out, past);
  } else {
    for (std::int64_t i = 0; i < axes[0].extent; ++i) {
      copy_axes(axes + 1, rank - 1, in + i * axes[0].in, out + i * axes[0].out, past);
    }
  }
}

}  // namespace

Strides dense_strides(const Shape& shape) noexcept {
  Strides strides{};
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = stride;
    stride *= shape.extents()[static_cast<std::size_t>(axis)];
  }
  return strides;
}

template <Element T>
void strided_copy(const Shape& extents, const T* in, const Strides& in_strides, T* out,
                  const Strides& out_strides) {
  if (extents.size() == 0) return;
  const Walk walk = simplified(extents, in_strides, out_strides);
  constexpr std::int64_t kTileElements = std::int64_t{1} << 15;
  constexpr std::int64_t kFewestTiles = 16;
  if (walk.rank == 0 || extents.size() < 2 * kTileElements) {
    return copy_axes(walk.axes.data(), walk.rank, in, out, false);
  }
  // Tiles are ranges of one axis: any cut is right, since every output is written once. Of the
  // first one where it is long enough, so that a tile's memory lies together.
  const std::int64_t wanted = extents.size() / kTileElements;
  const bool outermost = walk.rank > 2 && walk.axes[0].extent >= std::min(wanted, kFewestTiles);
  const auto cut =
      outermost
          ? walk.axes.begin()
          : std::max_element(walk.axes.begin(), walk.axes.begin() + walk.rank,
                             [](const Axis& a, const Axis& b) { return a.extent < b.extent; });
  const std::int64_t step =
      std::max<std::int64_t>(outermost ? 1 : kSquare, (cut->extent + wanted - 1) / wanted);
  const auto position = static_cast<std::size_t>(cut - walk.axes.begin());
  const bool past = past_caches(2 * extents.size());
  parallel_for((cut->extent + step - 1) / step, [&](std::int64_t tile) {
    Walk part = walk;
    const std::int64_t first = tile * step;
    part.axes[position].extent = std::min(step, cut->extent - first);
    copy_axes(part.axes.data(), part.rank, in + first * cut->in, out + first * cut->out, past);
  });
}

#define LAMINA_INSTANTIATE(T) \
  template void strided_copy(const Shape&, const T*, const Strides&, T*, const Strides&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
LAMINA_INSTANTIATE(std::int64_t)
LAMINA_INSTANTIATE(std::uint8_t)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::kernels
