#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/merged_moments.hpp>
#include <lamina/autograd/kernels/moments.hpp>
#include <lamina/autograd/kernels/norm_blocks.hpp>
#include <lamina/autograd/kernels/norm_sums.hpp>
#include <lamina/autograd/kernels/normalization_level.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <limits>
#include <type_traits>

namespace lamina::kernels {
namespace {

// Terms of the two sums about a shift.
template <class A>
Pair<A> weighted_difference(A weight, A difference) {
  return {weight * difference, weight * difference * difference};
}

// Whether squares neither overflowed nor vanished; `equal()` tells whether all values are equal.
template <class A, class Equal>
bool in_range(A squares, Equal equal) {
  constexpr A kSmall = std::numeric_limits<A>::min() / std::numeric_limits<A>::epsilon();
  return std::isfinite(squares) && (squares >= kSmall || (squares == 0 && equal()));
}

// The moments so far of a tile's channels. Means count from an origin, one of the channel's values,
// so that they keep their digits when they are large beside the deviation.
template <Scalar T>
struct Channels {
  const T* origin;
  std::int64_t origin_stride;
  double* mean;
  double* squares;
  double count = 0;
};

// ---- adjacent channels: a block is rows, a channel a column in them ----

// Adds columns [begin, begin + width), if precision A suffices.
template <class A, bool kWeighted, Scalar T>
bool add_columns(const T* x, const Block& block, const T* weights, double count, std::int64_t begin,
                 int width, const Channels<T>& to) {
  const auto row = [&](int r) { return x + block.offset[r] + begin; };
  const auto weight = [&](int r) { return kWeighted ? static_cast<A>(weights[r]) : A{1}; };
  A shift[kStrip] = {}, sum[kStrip] = {}, squares[kStrip] = {};
  add_rows(
      block.rows, width,
      [&](int r) {
        return [x = row(r), w = weight(r)](int c) { return w * static_cast<A>(x[c]); };
      },
      [&](int c, A term) { shift[c] += term; });
  const double inverse_count = 1 / count;
  for (int c = 0; c < width; ++c) shift[c] *= static_cast<A>(inverse_count);
  add_rows(
      block.rows, width,
      [&](int r) {
        return [x = row(r), w = weight(r), &shift](int c) {
          return weighted_difference<A>(w, static_cast<A>(x[c]) - shift[c]);
        };
      },
      [&](int c, Pair<A> terms) {
        sum[c] += terms.first;
        squares[c] += terms.second;
      });
  if constexpr (!std::is_same_v<A, double>) {
    bool exact = true;
    for (int c = 0; c < width; ++c) {
      exact = exact && in_range(squares[c], [&] {
                for (int r = 1; r < block.rows; ++r) {
                  if (row(r)[c] != row(0)[c]) return false;
                }
                return true;
              });
    }
    if (!exact) return false;
  }
  const Union both(to.count, count);
  for (int c = 0; c < width; ++c) {
    const double s = static_cast<double>(sum[c]), mean = s * inverse_count;
    const double origin = static_cast<double>(to.origin[begin + c]);
    both.add(to.mean[begin + c], to.squares[begin + c],
             static_cast<double>(shift[c]) - origin + mean,
             static_cast<double>(squares[c]) - s * mean);
  }
  return true;
}

// The same by the loops of an instruction set.
bool add_columns_by(const NormalizationLoops& loops, const float* x, const BlockRows& rows,
                    double count, std::int64_t begin, int width, const Channels<float>& to) {
  return loops.add_column_moments(x + begin, rows, count, width,
                                  {.origin = to.origin + begin,
                                   .mean = to.mean + begin,
                                   .squares = to.squares + begin,
                                   .count = to.count});
}

// The rows of a block that have a weight, and the weights.
template <Scalar T>
struct WeightedRows {
  Block block;
  T weights[Block::kRows];
  double count = 0;
  bool all_one = true;  // as where the weights are a mask

  WeightedRows(const Block& all, const T* place_weights) {
    for (int r = 0; r < all.rows; ++r) {
      const T weight = place_weights[all.place[r]];
      if (weight == 0) continue;
      weights[block.rows] = weight;
      block.offset[block.rows++] = all.offset[r];
      count += static_cast<double>(weight);
      all_one = all_one && weight == 1;
    }
  }
};

// add(begin, width) for strips of all channels.
template <class Add>
void for_strips(std::int64_t channels, Add add) {
  for (std::int64_t begin = 0; begin < channels; begin += kStrip) {
    add(begin, static_cast<int>(std::min<std::int64_t>(kStrip, channels - begin)));
  }
}

template <bool kWeighted, Scalar T>
void add_all_columns(const T* x, const Block& block, const T* weights, double count,
                     std::int64_t channels, Channels<T>& to) {
  if (count == 0) return;
  for_strips(channels, [&](std::int64_t begin, int width) {
    if (!add_columns<T, kWeighted>(x, block, weights, count, begin, width, to)) {
      add_columns<double, kWeighted>(x, block, weights, count, begin, width, to);
    }
  });
  to.count += count;
}

void add_all_columns_by(const NormalizationLoops& loops, const float* x, const Block& block,
                        const float* place_weights, std::int64_t channels, Channels<float>& to) {
  const RowWeights weights(block, place_weights);
  const double count = weights.sum();
  if (count == 0) return;
  for_strips(channels, [&](std::int64_t begin, int width) {
    if (add_columns_by(loops, x, rows_of(block, weights), count, begin, width, to)) return;
    if (place_weights) {
      const WeightedRows<float> rows(block, place_weights);
      add_columns<double, true>(x, rows.block, rows.weights, count, begin, width, to);
    } else {
      add_columns<double, false>(x, block, place_weights, count, begin, width, to);
    }
  });
  to.count += count;
}

// ---- channels of several adjacent elements: a block is runs of them ----

// Sums of a channel about a shift.
template <class A>
struct ShiftedSums {
  A shift, sum, squares;
};

// Of a channel whose elements begin `offset` behind the block's.
template <class A, bool kWeighted, Scalar T>
ShiftedSums<A> sums_of_runs(const T* x, const Block& block, const T* weights, double count,
                            std::int64_t offset) {
  struct Run {
    const T* x;
    const T* w;
    A weight(int i) const { return kWeighted ? static_cast<A>(w[i]) : A{1}; }
    A value(int i) const { return static_cast<A>(kWeighted ? kept_if(w[i] != 0, x[i]) : x[i]); }
  };
  const auto run = [&](int r) {
    return Run{x + block.offset[r] + offset, kWeighted ? weights + block.place[r] : nullptr};
  };
  const A total =
      sum_runs<A>(block.rows, block.length, [&](int r) {
        return [at = run(r)](int i) { return Pair<A>{at.weight(i) * at.value(i), A{0}}; };
      }).first;
  const A shift = total * static_cast<A>(1 / count);
  const Pair<A> sums = sum_runs<A>(block.rows, block.length, [&](int r) {
    return [at = run(r), shift](int i) {
      return weighted_difference<A>(at.weight(i), at.value(i) - shift);
    };
  });
  return {shift, sums.first, sums.second};
}

template <class A, Scalar T>
void merge(const ShiftedSums<A>& sums, double count, std::int64_t channel, const Channels<T>& to) {
  const double sum = static_cast<double>(sums.sum), mean = sum / count;
  const double origin = static_cast<double>(to.origin[channel * to.origin_stride]);
  Union(to.count, count)
      .add(to.mean[channel], to.squares[channel], static_cast<double>(sums.shift) - origin + mean,
           static_cast<double>(sums.squares) - sum * mean);
}

// Whether all values of runs that have a weight are equal.
template <Scalar T>
bool all_equal(const T* x, const Block& block, const T* weights) {
  const T* first = nullptr;
  for (int r = 0; r < block.rows; ++r) {
    for (std::int64_t i = 0; i < block.length; ++i) {
      if (weights && weights[block.place[r] + i] == 0) continue;
      const T* const value = x + block.offset[r] + i;
      if (first == nullptr) first = value;
      if (*value != *first) return false;
    }
  }
  return true;
}

template <bool kWeighted, Scalar T>
void add_all_runs(const T* x, const Block& block, const T* weights, std::int64_t channels,
                  std::int64_t inner, const NormalizationLoops* loops, Channels<T>& to) {
  double count = static_cast<double>(block.rows * block.length);
  if (kWeighted) {
    count = sum_runs<double>(block.rows, block.length, [&](int r) {
              return [w = weights + block.place[r]](int i) {
                return Pair<double>{static_cast<double>(w[i]), 0.0};
              };
            }).first;
  }
  if (count == 0) return;
  const auto sums_of = [&](std::int64_t offset) -> ShiftedSums<T> {
    if constexpr (std::is_same_v<T, float>) {
      if (loops) {
        const RunMoments sums = loops->run_moments(x + offset, runs_of(block, weights), count);
        return {sums.shift, sums.sum, sums.squares};
      }
    }
    return sums_of_runs<T, kWeighted>(x, block, weights, count, offset);
  };
  for (std::int64_t c = 0; c < channels; ++c) {
    const ShiftedSums<T> sums = sums_of(c * inner);
    const auto equal = [&] { return all_equal(x + c * inner, block, weights); };
    if (std::is_same_v<T, double> || in_range(sums.squares, equal)) {
      merge(sums, count, c, to);
    } else {
      merge(sums_of_runs<double, kWeighted>(x, block, weights, count, c * inner), count, c, to);
    }
  }
  to.count += count;
}

template <Scalar T>
void add_block(const T* x, const T* weights, const Block& block, const Tile& tile,
               const NormLayout& layout, const NormalizationLoops* loops, Channels<T>& to) {
  const std::int64_t channels = tile.channels();
  if (layout.inner > 1) {
    weights ? add_all_runs<true>(x, block, weights, channels, layout.inner, loops, to)
            : add_all_runs<false>(x, block, weights, channels, layout.inner, loops, to);
    return;
  }
  if constexpr (std::is_same_v<T, float>) {
    if (loops) return add_all_columns_by(*loops, x, block, weights, channels, to);
  }
  if (weights) {
    const WeightedRows<T> rows(block, weights);
    rows.all_one ? add_all_columns<false>(x, rows.block, weights, rows.count, channels, to)
                 : add_all_columns<true>(x, rows.block, rows.weights, rows.count, channels, to);
  } else {
    add_all_columns<false>(x, block, weights, static_cast<double>(block.rows), channels, to);
  }
}

// Values of T that differ at all deviate by more than this part of their mean, unless only one in
// tens of thousands differs, by its last bit. What the sums over equal values make up is less.
template <Scalar T>
constexpr double kNoDeviation = static_cast<double>(std::numeric_limits<T>::epsilon()) / 512;

// Where the origin of a group's first channel lies in x: at the first place that has a weight.
template <Scalar T>
std::int64_t origin_of(const T* weights, const NormLayout& layout, std::int64_t group) {
  const std::int64_t run = layout.middle * layout.inner, stride = layout.groups * run;
  std::int64_t place = group * run;
  for (std::int64_t outer = 0; weights && outer < layout.outer; ++outer) {
    const T* begin = weights + outer * stride + group * run;
    const T* found = std::find_if(begin, begin + run, [](T w) { return w != 0; });
    if (found == begin + run) continue;
    place = found - weights;
    break;
  }
  return place / layout.inner * layout.channels * layout.inner + place % layout.inner;
}

}  // namespace

template <Scalar T>
void moments(const T* x, const T* weights, const NormLayout& given, double* count, double* mean,
             double* variance, InstructionSet level) {
  std::fill_n(count, given.groups, 0.0);
  std::fill_n(mean, given.statistics(), 0.0);
  std::fill_n(variance, given.statistics(), 0.0);
  if (given.size() == 0) return;

  const NormLayout layout = simplified(given, weights != nullptr);
  Tensor<std::int64_t> origins = Tensor<std::int64_t>::uninitialized(Shape{layout.groups});
  std::int64_t* origin = origins.mutable_data();
  for (std::int64_t g = 0; g < layout.groups; ++g) origin[g] = origin_of(weights, layout, g);

  const Tiling tiling(layout);
  const MergedMoments parts(layout, tiling.chunks(), {count, mean, variance});
  const NormalizationLoops* const loops = loops_for<T>(level);
  tiling.for_each_tile([&](const Tile& whole) {
    const GroupMoments part = parts.of(whole.chunk, whole.group);
    for_each_in_memory_order(whole, [&](const Tile& tile) {
      Channels<T> channels{.origin = x + origin[tile.group] + tile.channel_begin * layout.inner,
                           .origin_stride = layout.inner,
                           .mean = part.mean + tile.channel_begin,
                           .squares = part.squares + tile.channel_begin};
      tiling.for_each_block(tile, [&](const Block& block) {
        add_block(x, weights, block, tile, layout, loops, channels);
      });
      if (tile.channel_begin == 0) *part.count = channels.count;
    });
  });
  parts.merge();

  for (std::int64_t g = 0; g < layout.groups; ++g) {
    if (count[g] == 0) continue;
    for (std::int64_t c = 0; c < layout.channels; ++c) {
      const std::int64_t s = g * layout.channels + c;
      mean[s] += static_cast<double>(x[origin[g] + c * layout.inner]);
      const double least = kNoDeviation<T> * mean[s];
      variance[s] /= count[g];
      variance[s] = variance[s] < least * least ? 0 : std::max(variance[s], 0.0);
    }
  }
  // Groups that were taken for channels have all the same count.
  std::fill(count + layout.groups, count + given.groups, count[0]);
}

template void moments(const float*, const float*, const NormLayout&, double*, double*, double*,
                      InstructionSet);
template void moments(const double*, const double*, const NormLayout&, double*, double*, double*,
                      InstructionSet);

}  // namespace lamina::kernels
