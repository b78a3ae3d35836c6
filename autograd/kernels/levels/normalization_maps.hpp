// The element-wise loops of normalization_loops.hpp: y of x, dx of x and dy, over columns and over
// runs. For the files of levels/ alone.
#pragma once

#include <lamina/autograd/kernels/levels/normalization_loops.hpp>
#include <lamina/autograd/kernels/levels/scaling.hpp>

namespace lamina::kernels {
namespace {

enum class Gradient { plain, weighted, gated };

struct Combining {
  Vector high, of_all, of_x, constant, gate;

  template <Gradient kind>
  LAMINA_INLINE Vector of(Vector x, Vector dy, Vector weight) const {
    const Vector centred = x - high;
    Vector through_statistics = add_product(centred, of_x, constant);
    if constexpr (kind == Gradient::weighted) {
      through_statistics = kept(not_zero(weight), weight * through_statistics);
    }
    if constexpr (kind == Gradient::gated) {
      dy = kept(positive_or_nan(add_product(centred, of_all, gate)), dy);
    }
    return (dy - through_statistics) * of_all;
  }
};

// function(constant) with the kind as a constant expression.
template <class Function>
LAMINA_INLINE void with_kind(const float* weights, ReluGate gate, Function function) {
  if (gate.constant) {
    function(Constant<int(Gradient::gated)>{});
  } else if (weights) {
    function(Constant<int(Gradient::weighted)>{});
  } else {
    function(Constant<int(Gradient::plain)>{});
  }
}

void fence() { order_stores(); }

// Whether rows or runs can be written past the caches: whole vectors at aligned addresses.
LAMINA_INLINE bool can_stream(bool wanted, const float* to, int rows, const std::int64_t* offset,
                              std::int64_t length) {
  if (!wanted || !aligned(to) || length % kLanes != 0) return false;
  std::int64_t bits = 0;
  for (int r = 0; r < rows; ++r) bits |= offset[r];
  return bits % kLanes == 0;
}

// ---- columns ----

// body(begin, strip, first row, end row): the coefficients of few channels stay in registers for
// all rows. Of many, so many are taken at a time that their coefficients stay in the first cache,
// for some rows together, in the order of memory.
template <class Body>
LAMINA_INLINE void for_row_strips(int rows, std::int64_t channels, Body body) {
  constexpr std::int64_t kFew = 4 * kLanes, kMany = 512;
  const int step = channels <= kFew ? rows : 4;
  for (std::int64_t from = 0; from < channels; from += kMany) {
    const std::int64_t count = channels - from < kMany ? channels - from : kMany;
    for (int first = 0; first < rows; first += step) {
      const int end = first + step < rows ? first + step : rows;
      for_strips(count,
                 [&](std::int64_t begin, auto strip) { body(from + begin, strip, first, end); });
    }
  }
}

// The lines that are written after the next strip. Few rows are mostly far apart (small ghost
// batches), where the processor does not foresee its writes.
template <class S>
LAMINA_INLINE void fetch_for_writing(const float* row) {
  unroll<S::vectors>(
      [&](auto j) { __builtin_prefetch(row + (2 * S::vectors + j) * kLanes, 1, 3); });
}

void scale_columns(const float* x, const BlockRows& rows, std::int64_t channels,
                   const ScaleCoefficients& k, bool relu, bool past_caches, float* y) {
  const bool streaming = can_stream(past_caches, y, rows.count, rows.offset, channels);
  const bool scattered = !streaming && rows.count <= kFewRows;
  with_bools(relu, streaming, [&](auto with_relu, auto past) {
    for_row_strips(rows.count, channels, [&](std::int64_t begin, auto strip, int first, int end) {
      using S = decltype(strip);
      const StripScaling<S> scaling(strip, k, begin);
      for (int r = first; r < end; ++r) {
        const std::int64_t at = rows.offset[r] + begin;
        if (scattered) fetch_for_writing<S>(y + at);
        unroll<S::vectors>([&](auto j) {
          put<past != 0>(strip, y + at, j,
                         scaling.of[j].template of<with_relu != 0>(strip.load(x + at, j)));
        });
      }
    });
  });
}

void combine_columns(const float* x, const float* dy, const BlockRows& rows, std::int64_t channels,
                     const GradientCoefficients& k, ReluGate gate, bool past_caches, float* dx) {
  const bool streaming = can_stream(past_caches, dx, rows.count, rows.offset, channels);
  const bool scattered = !streaming && rows.count <= kFewRows;
  const auto run = [&](auto kind, auto past) {
    constexpr auto of_kind = static_cast<Gradient>(int{kind});
    for_row_strips(rows.count, channels, [&](std::int64_t begin, auto strip, int first, int end) {
      using S = decltype(strip);
      Combining of_column[S::vectors];
      unroll<S::vectors>([&](auto j) {
        const auto at = [&](const float* from) { return strip.load(from + begin, j); };
        of_column[j] = {at(k.high), at(k.of_all), at(k.of_x), at(k.constant), broadcast(0)};
        if constexpr (of_kind == Gradient::gated) of_column[j].gate = at(gate.constant);
      });
      for (int r = first; r < end; ++r) {
        const std::int64_t at = rows.offset[r] + begin;
        if (scattered) fetch_for_writing<S>(dx + at);
        const Vector weight = broadcast(of_kind == Gradient::weighted ? rows.weights[r] : 1.0F);
        unroll<S::vectors>([&](auto j) {
          put<past != 0>(strip, dx + at, j,
                         of_column[j].template of<of_kind>(strip.load(x + at, j),
                                                           strip.load(dy + at, j), weight));
        });
      }
    });
  };
  with_kind(rows.weights, gate,
            [&](auto kind) { streaming ? run(kind, Constant<1>{}) : run(kind, Constant<0>{}); });
}

// ---- runs ----

void scale_runs(const float* x, const BlockRuns& runs, const ScaleCoefficients& k, bool relu,
                bool past_caches, float* y) {
  const bool streaming = can_stream(past_caches, y, runs.count, runs.offset, runs.length);
  const Scaling scaling{broadcast(*k.high), broadcast(*k.factor), broadcast(*k.constant)};
  with_bools(relu, streaming, [&](auto with_relu, auto past) {
    for (int r = 0; r < runs.count; ++r) {
      const float* const from = x + runs.offset[r];
      float* const to = y + runs.offset[r];
      for_lanes(runs.length, [&](auto lanes, std::int64_t i) {
        const Vector value = scaling.of<with_relu != 0>(lanes.load(from + i));
        past != 0 ? store_past_caches(to + i, value) : lanes.store(to + i, value);
      });
    }
  });
}

void combine_runs(const float* x, const float* dy, const BlockRuns& runs,
                  const GradientCoefficients& k, ReluGate gate, bool past_caches, float* dx) {
  const bool streaming = can_stream(past_caches, dx, runs.count, runs.offset, runs.length);
  const Combining combining{broadcast(*k.high), broadcast(*k.of_all), broadcast(*k.of_x),
                            broadcast(*k.constant),
                            broadcast(gate.constant ? *gate.constant : 0.0F)};
  with_kind(runs.weights, gate, [&](auto kind) {
    constexpr auto of_kind = static_cast<Gradient>(int{kind});
    const auto run = [&](auto past) {
      for (int r = 0; r < runs.count; ++r) {
        const std::int64_t at = runs.offset[r];
        const float* const weights =
            of_kind == Gradient::weighted ? runs.weights + runs.place[r] : nullptr;
        for_lanes(runs.length, [&](auto lanes, std::int64_t i) {
          const Vector weight =
              of_kind == Gradient::weighted ? lanes.load(weights + i) : broadcast(1);
          const Vector value =
              combining.of<of_kind>(lanes.load(x + at + i), lanes.load(dy + at + i), weight);
          past != 0 ? store_past_caches(dx + at + i, value) : lanes.store(dx + at + i, value);
        });
      }
    };
    streaming ? run(Constant<1>{}) : run(Constant<0>{});
  });
}

}  // namespace
}  // namespace lamina::kernels
