// The engine of the reductions; only the .cpp files of this folder include this.
//
// A reducer says how elements become accumulators and how those combine:
//
//   struct Sum {
//     using A = double;
//     static A identity(), lift(T), combine(A, A);
//     static Out finish(A, double divisor);   // the accumulator as it is stored
//   };
//
// One pass turns [outer][count][inner] into [outer][inner]. Contiguous rows (inner == 1) go through
// eight lanes; otherwise rows are added into a strip of accumulators. A long pass is cut into
// chunks of rows by shape alone, and the chunks' results go through a pass of their own.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <lamina/autograd/kernels/loops.hpp>
#include <lamina/autograd/tensor/axes.hpp>
#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

struct Extents {
  std::int64_t outer = 1, count = 1, inner = 1;
};

// [outer][count][inner] around one axis.
inline Extents around(const Shape& shape, int axis) {
  return {shape.size_of_axes(0, axis), shape.begin()[axis],
          shape.size_of_axes(axis + 1, shape.rank())};
}

// The reducer for accumulators, which are lifted already.
template <class Reducer>
struct Combine : Reducer {
  static typename Reducer::A lift(typename Reducer::A value) { return value; }
};
template <class Reducer>
struct CombineOf {
  using Type = Combine<Reducer>;
};
template <class Reducer>
struct CombineOf<Combine<Reducer>> {
  using Type = Combine<Reducer>;
};

template <class Reducer, class In>
typename Reducer::A reduce_block(const In* in, std::int64_t count) {
  using A = typename Reducer::A;
  A lane[8];
  for (A& a : lane) a = Reducer::identity();
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int l = 0; l < 8; ++l) lane[l] = Reducer::combine(lane[l], Reducer::lift(in[i + l]));
  }
  for (int l = 0; i + l < count; ++l) {
    lane[l] = Reducer::combine(lane[l], Reducer::lift(in[i + l]));
  }
  for (int width = 4; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lane[l] = Reducer::combine(lane[l], lane[l + width]);
  }
  return lane[0];
}

// Pairwise over blocks: the rounding error grows with the logarithm of the length.
template <class Reducer, class In>
typename Reducer::A reduce_row(const In* in, std::int64_t count) {
  constexpr std::int64_t kBlock = 512;
  if (count <= kBlock) return reduce_block<Reducer>(in, count);
  const std::int64_t half = (count / kBlock + 1) / 2 * kBlock;
  return Reducer::combine(reduce_row<Reducer>(in, half),
                          reduce_row<Reducer>(in + half, count - half));
}

// `count` rows of `width` elements at distance `stride`, into out[0, width).
template <class Reducer, class In, class Out>
void reduce_columns(const In* in, std::int64_t count, std::int64_t width, std::int64_t stride,
                    Out* out, double divisor) {
  using A = typename Reducer::A;
  constexpr std::int64_t kStrip = 256, kBlock = 128;
  A total[kStrip], block[kStrip];
  for (std::int64_t first = 0; first < width; first += kStrip) {
    const std::int64_t strip = std::min(kStrip, width - first);
    std::fill_n(total, strip, Reducer::identity());
    for (std::int64_t row = 0; row < count; row += kBlock) {
      const std::int64_t end = std::min(row + kBlock, count);
      std::fill_n(block, strip, Reducer::identity());
      for (std::int64_t r = row; r < end; ++r) {
        const In* from = in + r * stride + first;
        for (std::int64_t c = 0; c < strip; ++c) {
          block[c] = Reducer::combine(block[c], Reducer::lift(from[c]));
        }
      }
      for (std::int64_t c = 0; c < strip; ++c) total[c] = Reducer::combine(total[c], block[c]);
    }
    for (std::int64_t c = 0; c < strip; ++c) {
      out[first + c] = Reducer::template finish<Out>(total[c], divisor);
    }
  }
}

template <class Reducer, class In, class Out>
void reduce_pass(const In* in, const Extents& e, Out* out, double divisor) {
  using A = typename Reducer::A;
  constexpr std::int64_t kColumns = 4096;  // of one unit of work
  if (e.outer == 0 || e.inner == 0) return;
  const std::int64_t width = std::min(e.inner, kColumns);
  const std::int64_t strips = (e.inner + width - 1) / width;
  const std::int64_t units = e.outer * strips;
  const std::int64_t work = std::max<std::int64_t>(e.count * width, 1);

  const auto unit = [&](std::int64_t u, const In* from, std::int64_t count, auto* to, double by) {
    const std::int64_t column = u % strips * width;
    if (e.inner == 1) {
      using To = std::remove_reference_t<decltype(*to)>;
      *to = Reducer::template finish<To>(reduce_row<Reducer>(from, count), by);
    } else {
      reduce_columns<Reducer>(from + column, count, std::min(width, e.inner - column), e.inner,
                              to + column, by);
    }
  };
  if (work > 2 * kTile && units < 64) {
    const std::int64_t rows = std::max<std::int64_t>(kTile / width, 1);
    const std::int64_t chunks = (e.count + rows - 1) / rows;
    Tensor<A> partial = Tensor<A>::uninitialized({e.outer, chunks, e.inner});
    A* parts = partial.mutable_data();
    parallel_for(units * chunks, [&](std::int64_t tile) {
      const std::int64_t u = tile / chunks, chunk = tile % chunks, outer = u / strips;
      unit(u, in + (outer * e.count + chunk * rows) * e.inner,
           std::min(rows, e.count - chunk * rows), parts + (outer * chunks + chunk) * e.inner, 1);
    });
    using Next = typename CombineOf<Reducer>::Type;
    return reduce_pass<Next>(static_cast<const A*>(parts), {e.outer, chunks, e.inner}, out,
                             divisor);
  }
  const std::int64_t per_tile = std::max<std::int64_t>(kTile / work, 1);
  parallel_for((units + per_tile - 1) / per_tile, [&](std::int64_t tile) {
    for (std::int64_t u = tile * per_tile; u < std::min(units, (tile + 1) * per_tile); ++u) {
      const std::int64_t outer = u / strips;
      unit(u, in + outer * e.count * e.inner, e.count, out + outer * e.inner, divisor);
    }
  });
}

// The runs of neighbouring masked axes, the last first; each is described as it stands when the
// later ones are gone.
struct Runs {
  std::array<Extents, kMaxRank> list{};
  int count = 0;
};
Runs runs_of(const Shape& shape, unsigned mask);

template <Scalar Out, class Reducer, Scalar T>
Tensor<Out> reduce_to(const Tensor<T>& x, unsigned mask, double divisor = 1) {
  using A = typename Reducer::A;
  const Runs runs = runs_of(x.shape(), mask);
  Tensor<Out> result = Tensor<Out>::uninitialized(reduced_shape(x.shape(), mask, true));
  Out* out = result.mutable_data();
  if (runs.count == 1) {
    reduce_pass<Reducer>(x.data(), runs.list[0], out, divisor);
    return result;
  }
  const auto size_after = [](const Extents& e) { return Shape{e.outer * e.inner}; };
  Tensor<A> partial = Tensor<A>::uninitialized(size_after(runs.list[0]));
  reduce_pass<Reducer>(x.data(), runs.list[0], partial.mutable_data(), 1);
  for (int i = 1; i < runs.count; ++i) {
    const Extents& e = runs.list[static_cast<std::size_t>(i)];
    if (i + 1 == runs.count) {
      reduce_pass<Combine<Reducer>>(partial.data(), e, out, divisor);
    } else {
      Tensor<A> next = Tensor<A>::uninitialized(size_after(e));
      reduce_pass<Combine<Reducer>>(partial.data(), e, next.mutable_data(), 1);
      partial = std::move(next);
    }
  }
  return result;
}

template <class Reducer, Scalar T>
Tensor<T> reduce(const Tensor<T>& x, unsigned mask, double divisor = 1) {
  return reduce_to<T, Reducer>(x, mask, divisor);
}

}  // namespace lamina::kernels
