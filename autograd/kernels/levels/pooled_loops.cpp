// The loops of pooled_loops.hpp for the instruction set that this file is compiled for.
#include <lamina/autograd/kernels/levels/pooled_loops.hpp>
#include <lamina/autograd/kernels/levels/winner.hpp>

namespace lamina::kernels {
namespace {

template <class S, int j>
LAMINA_INLINE Window load_window(const WindowRow& row, std::int64_t begin, std::int64_t window,
                                 const S& strip, Constant<j> vector) {
  const std::int64_t left = 2 * window * row.channels + begin, right = left + row.channels;
  return {strip.load(row.upper + left, vector), strip.load(row.upper + right, vector),
          strip.load(row.lower + left, vector), strip.load(row.lower + right, vector)};
}

void pool(const WindowRow& row, const ScaleCoefficients& k, float* y) {
  for_strips(row.channels, [&](std::int64_t begin, auto strip) {
    using S = decltype(strip);
    const StripScaling<S> scaling(strip, k, begin);
    for (std::int64_t window = 0; window < row.windows; ++window) {
      unroll<S::vectors>([&](auto j) {
        Window w = load_window(row, begin, window, strip, j);
        unroll<4>([&](auto i) { w.at[i] = scaling.of[j].template of<false>(w.at[i]); });
        strip.store(y + window * row.channels + begin, j, positive_part(largest(w)));
      });
    }
  });
}

void add_gradients(const WindowRow& row, const float* dy, const ScaleCoefficients& k,
                   double* sum_dy, double* sum_dy_high) {
  // Longer chains of additions would round more.
  constexpr std::int64_t kChain = 32;
  for_strips(row.channels, [&](std::int64_t begin, auto strip) {
    using S = decltype(strip);
    const StripScaling<S> scaling(strip, k, begin);
    for (std::int64_t from = 0; from < row.windows; from += kChain) {
      const std::int64_t end = from + kChain < row.windows ? from + kChain : row.windows;
      Vector first[S::vectors], second[S::vectors];
      unroll<S::vectors>([&](auto j) { first[j] = second[j] = broadcast(0); });
      for (std::int64_t window = from; window < end; ++window) {
        unroll<S::vectors>([&](auto j) {
          const Winner winner = winner_of(load_window(row, begin, window, strip, j), scaling.of[j]);
          const Vector g = kept(winner.any, strip.load(dy + window * row.channels + begin, j));
          const Vector centred = of_winner(winner, winner.centred);
          first[j] += g;
          second[j] = add_product(g, kept(not_zero(g), centred), second[j]);
        });
      }
      float sums[2][S::vectors * kLanes];
      unroll<S::vectors>([&](auto j) {
        store(sums[0] + j * kLanes, first[j]);
        store(sums[1] + j * kLanes, second[j]);
      });
      for (int c = 0; c < strip.width; ++c) {
        sum_dy[begin + c] += static_cast<double>(sums[0][c]);
        sum_dy_high[begin + c] += static_cast<double>(sums[1][c]);
      }
    }
  });
}

template <bool streaming>
LAMINA_INLINE void combine_row(const WindowRow& row, const float* dy, const GradientCoefficients& k,
                               ReluGate gate, float* upper, float* lower) {
  for_strips(row.channels, [&](std::int64_t begin, auto strip) {
    using S = decltype(strip);
    // What decided the winner, and what comes through the statistics.
    const StripScaling<S> scaling(strip, {k.high, k.of_all, gate.constant}, begin);
    const StripScaling<S> through(strip, {k.high, k.of_x, k.constant}, begin);
    for (std::int64_t window = 0; window < row.windows; ++window) {
      const std::int64_t left = 2 * window * row.channels + begin, right = left + row.channels;
      float* const to[4] = {upper + left, upper + right, lower + left, lower + right};
      unroll<S::vectors>([&](auto j) {
        const Winner winner = winner_of(load_window(row, begin, window, strip, j), scaling.of[j]);
        const Vector g = strip.load(dy + window * row.channels + begin, j);
        unroll<4>([&](auto i) {
          const Vector subtracted = through.of[j].of_centred(winner.centred.at[i]);
          put<streaming>(strip, to[i], j,
                         (kept(winner.at[i], g) - subtracted) * scaling.of[j].factor);
        });
      });
    }
  });
}

void combine(const WindowRow& row, const float* dy, const GradientCoefficients& k, ReluGate gate,
             bool past_caches, float* upper, float* lower) {
  if (past_caches && aligned(upper) && aligned(lower) && row.channels % kLanes == 0) {
    combine_row<true>(row, dy, k, gate, upper, lower);
  } else {
    combine_row<false>(row, dy, k, gate, upper, lower);
  }
}

void combine_rest(const float* x, std::int64_t positions, std::int64_t channels,
                  const GradientCoefficients& k, float* dx) {
  for (std::int64_t position = 0; position < positions; ++position) {
    const std::int64_t at = position * channels;
    for_lanes(channels, [&](auto lanes, std::int64_t c) {
      const Vector through = add_product(lanes.load(x + at + c) - lanes.load(k.high + c),
                                         lanes.load(k.of_x + c), lanes.load(k.constant + c));
      lanes.store(dx + at + c, (broadcast(0) - through) * lanes.load(k.of_all + c));
    });
  }
}

void fence() { order_stores(); }

constexpr PooledLoops kLoops = {.pool = pool,
                                .add_gradients = add_gradients,
                                .combine = combine,
                                .combine_rest = combine_rest,
                                .fence = fence};

}  // namespace

const PooledLoops* LAMINA_LEVEL::pooled_loops() { return &kLoops; }

}  // namespace lamina::kernels
