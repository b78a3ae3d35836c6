#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/gradient_parts.hpp>
#include <lamina/autograd/kernels/norm_blocks.hpp>
#include <lamina/autograd/kernels/norm_sums.hpp>
#include <lamina/autograd/kernels/normalization.hpp>
#include <lamina/autograd/kernels/normalization_level.hpp>
#include <lamina/autograd/kernels/past_caches.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <limits>
#include <type_traits>

namespace lamina::kernels {
namespace {

// dy and dy (x - high), summed over a block. What is masked lets no x through that is not finite.
template <Scalar T>
Pair<T> gradient_terms(T x, T dy, T high, bool masked) {
  constexpr T kLargest = std::numeric_limits<T>::max();
  const bool looked_at = bool(dy != 0) & (bool(std::abs(x) <= kLargest) | !masked);
  return {dy, kept_if(looked_at, dy * (x - high))};
}

template <Scalar T>
struct SumsOfChannels {
  const T* high;
  double* dy;
  double* dy_high;  // sum(dy (x - high))
};

template <bool kMasked, Scalar T>
void add_columns(const T* x, const T* dy, const Block& block, std::int64_t channels,
                 const SumsOfChannels<T>& to) {
  for (std::int64_t begin = 0; begin < channels; begin += kStrip) {
    const int width = static_cast<int>(std::min<std::int64_t>(kStrip, channels - begin));
    T high[kStrip], first[kStrip] = {}, second[kStrip] = {};
    std::copy_n(to.high + begin, width, high);
    add_rows(
        block.rows, width,
        [&](int r) {
          const std::int64_t offset = block.offset[r] + begin;
          return [x = x + offset, dy = dy + offset, &high](int c) {
            return gradient_terms(x[c], dy[c], high[c], kMasked);
          };
        },
        [&](int c, Pair<T> terms) {
          first[c] += terms.first;
          second[c] += terms.second;
        });
    for (int c = 0; c < width; ++c) {
      to.dy[begin + c] += static_cast<double>(first[c]);
      to.dy_high[begin + c] += static_cast<double>(second[c]);
    }
  }
}

template <bool kWeighted, Scalar T>
void add_runs(const T* x, const T* dy, const T* weights, const Block& block,
              const NormLayout& layout, std::int64_t channels, const SumsOfChannels<T>& to) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const Pair<T> sums = sum_runs<T>(block.rows, block.length, [&](int r) {
      const std::int64_t offset = block.offset[r] + c * layout.inner;
      const T* const w = kWeighted ? weights + block.place[r] : nullptr;
      return [x = x + offset, dy = dy + offset, w, high = to.high[c]](int i) {
        return gradient_terms(x[i], dy[i], high, kWeighted && w[i] == 0);
      };
    });
    to.dy[c] += static_cast<double>(sums.first);
    to.dy_high[c] += static_cast<double>(sums.second);
  }
}

// The sums of a block by the loops of an instruction set.
void add_block_by(const NormalizationLoops& loops, const float* x, const float* dy,
                  const float* weights, const Block& block, const NormLayout& layout,
                  std::int64_t channels, ReluGate gate, const SumsOfChannels<float>& to) {
  const auto gate_from = [&](std::int64_t c) {
    return gate.factor ? ReluGate{gate.factor + c, gate.constant + c} : ReluGate{};
  };
  if (layout.inner > 1) {
    const BlockRuns runs = runs_of(block, weights);
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t offset = c * layout.inner;
      const RunGradientSums sums =
          loops.run_gradients(x + offset, dy + offset, runs, to.high[c], gate_from(c));
      to.dy[c] += static_cast<double>(sums.dy);
      to.dy_high[c] += static_cast<double>(sums.dy_high);
    }
    return;
  }
  const RowWeights of_rows(block, weights);
  for (std::int64_t begin = 0; begin < channels; begin += kStrip) {
    const int width = static_cast<int>(std::min<std::int64_t>(kStrip, channels - begin));
    loops.add_column_gradients(x + begin, dy + begin, rows_of(block, of_rows), width,
                               to.high + begin, gate_from(begin), to.dy + begin,
                               to.dy_high + begin);
  }
}

// The rows of a block whose places have a weight, or have none.
template <Scalar T>
Block rows_where(const Block& all, const T* weights, bool weighted) {
  Block some;
  for (int r = 0; r < all.rows; ++r) {
    if ((weights[all.place[r]] != 0) == weighted) some.offset[some.rows++] = all.offset[r];
  }
  return some;
}

template <Scalar T>
void add_block(const T* x, const T* dy, const T* weights, const Block& block,
               const NormLayout& layout, std::int64_t channels, const NormalizationLoops* loops,
               ReluGate gate, const SumsOfChannels<T>& to) {
  if constexpr (std::is_same_v<T, float>) {
    if (loops) return add_block_by(*loops, x, dy, weights, block, layout, channels, gate, to);
  }
  if (layout.inner > 1) {
    weights ? add_runs<true>(x, dy, weights, block, layout, channels, to)
            : add_runs<false>(x, dy, weights, block, layout, channels, to);
  } else if (weights) {
    add_columns<false>(x, dy, rows_where(block, weights, true), channels, to);
    add_columns<true>(x, dy, rows_where(block, weights, false), channels, to);
  } else {
    add_columns<false>(x, dy, block, channels, to);
  }
}

// ---- element-wise, by formulas (for the baseline and double) ----

// out[i] = formula(i)(x[i], dy[i], weight(i)).
template <Scalar T, class Weight, class Formula>
void map_row(const T* x, const T* dy, T* __restrict out, std::int64_t count, Weight weight,
             Formula formula) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = formula(i)(x[i], dy[i], weight(i));
}

// out = formula(statistic)(x, dy, weight) for every element.
template <bool kWeighted, Scalar T, class Formula>
void map_elements(const NormLayout& layout, const T* x, const T* dy, const T* weights, T* out,
                  Formula formula) {
  const Tiling tiling(layout);
  tiling.for_each_tile([&](const Tile& tile) {
    const std::int64_t first = tile.group * layout.channels + tile.channel_begin;
    tiling.for_each_block(tile, [&](const Block& block) {
      for (int r = 0; r < block.rows; ++r) {
        const T* const w = kWeighted ? weights + block.place[r] : nullptr;
        std::int64_t begin = block.offset[r];
        if (layout.inner == 1) {
          const auto map = [&](auto weight) {
            map_row(x + begin, dy + begin, out + begin, tile.channels(), weight,
                    [first, formula](std::int64_t c) { return formula(first + c); });
          };
          !kWeighted || w[0] == 1 ? map([](std::int64_t) { return T{1}; })
                                  : map([w = w[0]](std::int64_t) { return w; });
          continue;
        }
        for (std::int64_t c = 0; c < tile.channels(); ++c, begin += layout.inner) {
          map_row(
              x + begin, dy + begin, out + begin, block.length,
              [w](std::int64_t i) { return kWeighted ? w[i] : T{1}; },
              [of_channel = formula(first + c)](std::int64_t) { return of_channel; });
        }
      }
    });
  });
}

// ---- element-wise, by the loops of an instruction set ----

// function(block, offset of its first channel in the arrays, channels, first statistic) for blocks
// of columns; for runs the channels are taken one by one.
template <class Function>
void for_each_part(const NormalizationLoops& loops, const NormLayout& layout, Function function) {
  const Tiling tiling(layout);
  tiling.for_each_tile_backwards([&](const Tile& whole) {
    for_each_in_memory_order(whole, [&](const Tile& tile) {
      const std::int64_t first = tile.group * layout.channels + tile.channel_begin;
      tiling.for_each_block(tile, [&](const Block& block) {
        if (layout.inner == 1) return function(block, 0, tile.channels(), first);
        for (std::int64_t c = 0; c < tile.channels(); ++c) {
          function(block, c * layout.inner, 1, first + c);
        }
      });
    });
    loops.fence();
  });
}

void scale_by(const NormalizationLoops& loops, const NormLayout& layout, const float* x,
              const ScaleCoefficients& of, bool rectify, float* y) {
  const bool past = past_caches(2 * layout.size());
  for_each_part(
      loops, layout,
      [&](const Block& block, std::int64_t offset, std::int64_t channels, std::int64_t s) {
        const ScaleCoefficients k{of.high + s, of.factor + s, of.constant + s};
        if (layout.inner == 1) {
          loops.scale_columns(x, rows_of(block, RowWeights(block, nullptr)), channels, k, rectify,
                              past, y);
        } else {
          loops.scale_runs(x + offset, runs_of(block, nullptr), k, rectify, past, y + offset);
        }
      });
}

void combine_by(const NormalizationLoops& loops, const NormLayout& layout, const float* x,
                const float* dy, const float* weights, const GradientCoefficients& of,
                const float* gate_constant, float* dx) {
  const bool past = past_caches(3 * layout.size());
  for_each_part(
      loops, layout,
      [&](const Block& block, std::int64_t offset, std::int64_t channels, std::int64_t s) {
        const GradientCoefficients k{of.high + s, of.of_all + s, of.of_x + s, of.constant + s};
        const ReluGate gate = gate_constant ? ReluGate{k.of_all, gate_constant + s} : ReluGate{};
        if (layout.inner == 1) {
          loops.combine_columns(x, dy, rows_of(block, RowWeights(block, weights)), channels, k,
                                gate, past, dx);
        } else {
          loops.combine_runs(x + offset, dy + offset, runs_of(block, weights), k, gate, past,
                             dx + offset);
        }
      });
}

}  // namespace

template <Scalar T>
void gradient_sums(const T* x, const T* dy, const T* weights, const NormLayout& given,
                   const double* mean, const CentredScaling<T>& of, double* sum_dy,
                   double* sum_dy_centred, InstructionSet level, bool rectified) {
  const NormLayout layout = simplified(given, weights != nullptr);
  const Tiling tiling(layout);
  const std::int64_t statistics = layout.statistics();
  const GradientParts parts(tiling.chunks(), statistics, sum_dy, sum_dy_centred);
  const NormalizationLoops* const loops = loops_for<T>(level);
  const auto gate_from = [&](std::int64_t first) -> ReluGate {
    if constexpr (std::is_same_v<T, float>) {
      if (rectified) return {of.factor.data() + first, of.constant.data() + first};
    }
    return {};
  };
  tiling.for_each_tile([&](const Tile& whole) {
    for_each_in_memory_order(whole, [&](const Tile& tile) {
      const std::int64_t first = tile.group * layout.channels + tile.channel_begin;
      const GradientParts::Sums sums = parts.at(tile.chunk, first);
      const SumsOfChannels<T> to{of.high.data() + first, sums.dy, sums.product};
      tiling.for_each_block(tile, [&](const Block& block) {
        add_block(x, dy, weights, block, layout, tile.channels(), loops, gate_from(first), to);
      });
    });
  });
  parts.finish(mean, of.high.data());
}

template <Scalar T>
bool can_rectify(InstructionSet level) {
  return loops_for<T>(level) != nullptr;
}

template <Scalar T>
void scale_centred(const T* x, const NormLayout& layout, const CentredScaling<T>& of, T* y,
                   InstructionSet level, bool rectified) {
  if constexpr (std::is_same_v<T, float>) {
    if (const NormalizationLoops* const loops = normalization_loops(level)) {
      return scale_by(*loops, simplified(layout, false), x,
                      {of.high.data(), of.factor.data(), of.constant.data()}, rectified, y);
    }
  }
  map_elements<false, T>(
      simplified(layout, false), x, x, nullptr, y,
      [h = of.high.data(), f = of.factor.data(), t = of.constant.data()](std::int64_t s) {
        return [h = h[s], f = f[s], t = t[s]](T value, T, T) { return (value - h) * f + t; };
      });
}

template <Scalar T>
void combine_gradient(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                      const CentredScaling<T>& of, const GradientScaling<T>& through, T* dx,
                      InstructionSet level, bool rectified) {
  if constexpr (std::is_same_v<T, float>) {
    if (const NormalizationLoops* const loops = normalization_loops(level)) {
      return combine_by(
          *loops, simplified(layout, weights != nullptr), x, dy, weights,
          {of.high.data(), of.factor.data(), through.of_x.data(), through.constant.data()},
          rectified ? of.constant.data() : nullptr, dx);
    }
  }
  const auto formula = [h = of.high.data(), a = of.factor.data(), b = through.of_x.data(),
                        t = through.constant.data()](std::int64_t s) {
    return [h = h[s], a = a[s], b = b[s], t = t[s]](T value, T gradient, T weight) {
      const T through_statistics = weight * ((value - h) * b + t);
      return (gradient - kept_if(weight != 0, through_statistics)) * a;
    };
  };
  if (weights) {
    map_elements<true, T>(simplified(layout, true), x, dy, weights, dx, formula);
  } else {
    map_elements<false, T>(simplified(layout, false), x, dy, weights, dx, formula);
  }
}

#define LAMINA_NORMALIZATION(T)                                                                  \
  template bool can_rectify<T>(InstructionSet);                                                  \
  template void gradient_sums(const T*, const T*, const T*, const NormLayout&, const double*,    \
                              const CentredScaling<T>&, double*, double*, InstructionSet, bool); \
  template void scale_centred(const T*, const NormLayout&, const CentredScaling<T>&, T*,         \
                              InstructionSet, bool);                                             \
  template void combine_gradient(const T*, const T*, const T*, const NormLayout&,                \
                                 const CentredScaling<T>&, const GradientScaling<T>&, T*,        \
                                 InstructionSet, bool);
LAMINA_NORMALIZATION(float)
LAMINA_NORMALIZATION(double)
#undef LAMINA_NORMALIZATION

}  // namespace lamina::kernels
