#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/normalization.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <limits>

namespace lamina::kernels {
namespace {

constexpr std::int64_t kTileElements = 32 * 1024;
constexpr int kLanes = 8;

// A row is one (outer, middle) of a group: channels * inner contiguous elements. A tile is a range
// of rows and a range of channels of one group.
struct Tile {
  std::int64_t group, chunk, row_begin, row_end, channel_begin, channel_end;
};

class Tiling {
 public:
  explicit Tiling(const NormLayout& layout) : layout_(layout) {
    const std::int64_t row = std::max<std::int64_t>(layout.channels * layout.inner, 1);
    channels_per_tile_ =
        std::clamp<std::int64_t>(kTileElements / std::max<std::int64_t>(layout.inner, 1), 1,
                                 std::max<std::int64_t>(layout.channels, 1));
    rows_per_tile_ = std::max<std::int64_t>(
        kTileElements / std::min(row, std::max<std::int64_t>(channels_per_tile_ * layout.inner, 1)),
        1);
    row_chunks_ = (rows() + rows_per_tile_ - 1) / rows_per_tile_;
    channel_chunks_ = (layout.channels + channels_per_tile_ - 1) / channels_per_tile_;
  }

  std::int64_t rows() const { return layout_.outer * layout_.middle; }
  std::int64_t row_chunks() const { return row_chunks_; }
  std::int64_t tiles() const { return layout_.groups * row_chunks_ * channel_chunks_; }

  Tile tile(std::int64_t number) const {
    const std::int64_t channel_chunk = number % channel_chunks_;
    const std::int64_t chunk = number / channel_chunks_ % row_chunks_;
    return {.group = number / channel_chunks_ / row_chunks_,
            .chunk = chunk,
            .row_begin = chunk * rows_per_tile_,
            .row_end = std::min((chunk + 1) * rows_per_tile_, rows()),
            .channel_begin = channel_chunk * channels_per_tile_,
            .channel_end = std::min((channel_chunk + 1) * channels_per_tile_, layout_.channels)};
  }

  // The number of a tile's row among the rows of all groups: (outer, group, middle).
  std::int64_t place(const Tile& tile, std::int64_t row) const {
    const std::int64_t outer = row / layout_.middle, middle = row % layout_.middle;
    return (outer * layout_.groups + tile.group) * layout_.middle + middle;
  }

  // Where the elements of a tile's row begin.
  std::int64_t offset(const Tile& tile, std::int64_t row) const {
    return (place(tile, row) * layout_.channels + tile.channel_begin) * layout_.inner;
  }

  // Small work stays on the calling thread.
  template <class Function>
  void for_each(Function&& function) const {
    if (layout_.size() <= kTileElements) {
      for (std::int64_t number = 0; number < tiles(); ++number) function(tile(number));
    } else {
      parallel_for(tiles(), [&](std::int64_t number) { function(tile(number)); });
    }
  }

 private:
  NormLayout layout_;
  std::int64_t rows_per_tile_ = 1, channels_per_tile_ = 1, row_chunks_ = 0, channel_chunks_ = 0;
};

// The weights of a row's places. The functions below are written once, for both.
template <Scalar T>
struct Given {
  const T* weights;
  std::int64_t inner;

  Given of(std::int64_t place) const { return {weights + place * inner, inner}; }
  T operator[](std::int64_t i) const { return weights[i]; }
};
template <Scalar T>
struct AllOne {
  AllOne of(std::int64_t) const { return {}; }
  T operator[](std::int64_t) const { return 1; }
};

template <Scalar T, class Function>
void with_weights(const T* weights, const NormLayout& layout, Function&& function) {
  if (weights) return function(Given<T>{weights, layout.inner});
  function(AllOne<T>{});
}

// Two sums per (group, channel). `terms(x, dy, weight, statistic)` gives both summands of one
// element; a row is summed along channels when they are contiguous, else along the inner extent in
// independent lanes.
template <Scalar T, class Weights, class Terms>
void sum_pairs(const NormLayout& layout, const T* x, const T* dy, Weights weights, Terms&& terms,
               double* first, double* second) {
  const Tiling tiling(layout);
  const std::int64_t statistics = layout.statistics(), chunks = tiling.row_chunks();
  Tensor<double> partial(Shape{2, chunks, statistics}, 0.0);
  double* sums = partial.mutable_data();
  tiling.for_each([&](const Tile& tile) {
    const std::int64_t base = tile.group * layout.channels + tile.channel_begin;
    const std::int64_t channels = tile.channel_end - tile.channel_begin;
    double* out1 = sums + tile.chunk * statistics + base;
    double* out2 = out1 + chunks * statistics;
    for (std::int64_t row = tile.row_begin; row < tile.row_end; ++row) {
      const std::int64_t offset = tiling.offset(tile, row);
      const Weights w = weights.of(tiling.place(tile, row));
      if (layout.inner == 1) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const auto [a, b] = terms(x[offset + c], dy[offset + c], w[0], base + c);
          out1[c] += a;
          out2[c] += b;
        }
        continue;
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        const T* px = x + offset + c * layout.inner;
        const T* pdy = dy + offset + c * layout.inner;
        double lanes1[kLanes] = {}, lanes2[kLanes] = {};
        std::int64_t i = 0;
        for (; i + kLanes <= layout.inner; i += kLanes) {
          for (int lane = 0; lane < kLanes; ++lane) {
            const auto [a, b] = terms(px[i + lane], pdy[i + lane], w[i + lane], base + c);
            lanes1[lane] += a;
            lanes2[lane] += b;
          }
        }
        for (int lane = 0; i < layout.inner; ++i, ++lane) {
          const auto [a, b] = terms(px[i], pdy[i], w[i], base + c);
          lanes1[lane] += a;
          lanes2[lane] += b;
        }
        for (int lane = 0; lane < kLanes; ++lane) {
          out1[c] += lanes1[lane];
          out2[c] += lanes2[lane];
        }
      }
    }
  });
  std::fill_n(first, statistics, 0.0);
  std::fill_n(second, statistics, 0.0);
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    const double* chunk1 = sums + chunk * statistics;
    const double* chunk2 = chunk1 + chunks * statistics;
    for (std::int64_t s = 0; s < statistics; ++s) {
      first[s] += chunk1[s];
      second[s] += chunk2[s];
    }
  }
}

template <Scalar T>
constexpr T kLargest = std::numeric_limits<T>::max();

struct Pair {
  double first, second;
};

// Writes one element of `out` from those of x, dy and the weights with per-(group, channel)
// coefficients in T.
template <Scalar T, class Weights, class Formula>
void map_elements(const NormLayout& layout, const T* x, const T* dy, Weights weights, T* out,
                  Formula&& formula) {
  const Tiling tiling(layout);
  tiling.for_each([&](const Tile& tile) {
    const std::int64_t base = tile.group * layout.channels + tile.channel_begin;
    const std::int64_t channels = tile.channel_end - tile.channel_begin;
    for (std::int64_t row = tile.row_begin; row < tile.row_end; ++row) {
      const std::int64_t offset = tiling.offset(tile, row);
      const Weights w = weights.of(tiling.place(tile, row));
      if (layout.inner == 1) {
        for (std::int64_t c = 0; c < channels; ++c) {
          out[offset + c] = formula(x[offset + c], dy[offset + c], w[0], base + c);
        }
        continue;
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t begin = offset + c * layout.inner;
        for (std::int64_t i = 0; i < layout.inner; ++i) {
          out[begin + i] = formula(x[begin + i], dy[begin + i], w[i], base + c);
        }
      }
    }
  });
}

// Coefficient arrays converted to T, each of layout.statistics() entries, in one tensor.
template <Scalar T>
Tensor<T> converted(const NormLayout& layout, std::initializer_list<const double*> arrays) {
  const std::int64_t n = layout.statistics();
  Tensor<T> result = Tensor<T>::uninitialized(Shape{static_cast<std::int64_t>(arrays.size()), n});
  T* out = result.mutable_data();
  for (const double* array : arrays)
    out = std::transform(array, array + n, out, [](double v) { return static_cast<T>(v); });
  return result;
}

}  // namespace

template <Scalar T>
void sum_weights(const T* weights, const NormLayout& layout, double* count) {
  if (!weights) {
    std::fill_n(count, layout.groups, static_cast<double>(layout.count()));
    return;
  }
  const std::int64_t places = layout.middle * layout.inner;
  std::fill_n(count, layout.groups, 0.0);
  for (std::int64_t i = 0; i < layout.outer * layout.groups; ++i) {
    double& sum = count[i % layout.groups];
    for (std::int64_t place = 0; place < places; ++place) {
      sum += static_cast<double>(weights[i * places + place]);
    }
  }
}

template <Scalar T>
void moments(const T* x, const T* weights, const NormLayout& layout, const double* count,
             double* mean, double* variance) {
  const std::int64_t statistics = layout.statistics();
  const auto n = [&](std::int64_t s) {
    const double sum = count[s / layout.channels];
    return sum > 0 ? sum : 1;  // of nothing all sums are zero
  };
  Tensor<double> sums = Tensor<double>::uninitialized(Shape{statistics});
  double* sum = sums.mutable_data();
  with_weights(weights, layout, [&](auto w) {
    sum_pairs<T>(
        layout, x, x, w,
        [](T value, T, T weight, std::int64_t) {
          const double v = static_cast<double>(value) * static_cast<double>(weight);
          return Pair{weight == 0 ? 0.0 : v, 0.0};
        },
        mean, variance);
    for (std::int64_t s = 0; s < statistics; ++s) mean[s] /= n(s);
    sum_pairs<T>(
        layout, x, x, w,
        [mean](T value, T, T weight, std::int64_t s) {
          const double centred = static_cast<double>(value) - mean[s];
          const double weighted = centred * static_cast<double>(weight);
          return weight == 0 ? Pair{0.0, 0.0} : Pair{weighted, weighted * centred};
        },
        sum, variance);
  });
  // The rounding of the mean left a small sum of differences: take it out of both.
  for (std::int64_t s = 0; s < statistics; ++s) {
    variance[s] = std::max((variance[s] - sum[s] * sum[s] / n(s)) / n(s), 0.0);
    mean[s] += sum[s] / n(s);
  }
}

template <Scalar T>
void gradient_sums(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                   const double* mean, double* sum_dy, double* sum_dy_centred) {
  with_weights(weights, layout, [&](auto w) {
    sum_pairs<T>(
        layout, x, dy, w,
        [mean](T value, T gradient, T weight, std::int64_t s) {
          const double g = static_cast<double>(gradient);
          const double product = g * (static_cast<double>(value) - mean[s]);
          const bool masked = g == 0 || (weight == 0 && !(std::abs(value) <= kLargest<T>));
          return Pair{g, masked ? 0.0 : product};
        },
        sum_dy, sum_dy_centred);
  });
}

template <Scalar T>
void scale_centred(const T* x, const NormLayout& layout, const double* mean, const double* scale,
                   const double* offset, T* y) {
  const std::int64_t n = layout.statistics();
  Tensor<T> coefficients = converted<T>(layout, {mean, scale, offset});
  T* high = coefficients.mutable_data();
  const T* s = high + n;
  T* t = high + 2 * n;
  for (std::int64_t i = 0; i < n; ++i) {
    t[i] = static_cast<T>(offset[i] - (mean[i] - static_cast<double>(high[i])) * scale[i]);
  }
  map_elements<T>(layout, x, x, AllOne<T>{}, y,
                  [=](T value, T, T, std::int64_t i) { return (value - high[i]) * s[i] + t[i]; });
}

template <Scalar T>
void combine_gradient(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                      const double* mean, const double* a, const double* b, const double* c,
                      T* dx) {
  const std::int64_t n = layout.statistics();
  Tensor<T> coefficients = converted<T>(layout, {mean, a, b, c});
  T* high = coefficients.mutable_data();
  const T* ta = high + n;
  const T* tb = high + 2 * n;
  T* tc = high + 3 * n;
  for (std::int64_t i = 0; i < n; ++i) {
    tc[i] = static_cast<T>(c[i] - (mean[i] - static_cast<double>(high[i])) * b[i]);
  }
  with_weights(weights, layout, [&](auto w) {
    map_elements<T>(layout, x, dy, w, dx, [=](T value, T gradient, T weight, std::int64_t i) {
      const T through_statistics = weight * ((value - high[i]) * tb[i] + tc[i]);
      return (gradient - (weight == 0 ? T{0} : through_statistics)) * ta[i];
    });
  });
}

#define LAMINA_NORMALIZATION(T)                                                                  \
  template void sum_weights(const T*, const NormLayout&, double*);                               \
  template void moments(const T*, const T*, const NormLayout&, const double*, double*, double*); \
  template void gradient_sums(const T*, const T*, const T*, const NormLayout&, const double*,    \
                              double*, double*);                                                 \
  template void scale_centred(const T*, const NormLayout&, const double*, const double*,         \
                              const double*, T*);                                                \
  template void combine_gradient(const T*, const T*, const T*, const NormLayout&, const double*, \
                                 const double*, const double*, const double*, T*);
LAMINA_NORMALIZATION(float)
LAMINA_NORMALIZATION(double)
#undef LAMINA_NORMALIZATION

}  // namespace lamina::kernels
