// Compiled once per level, with LAMINA_LEVEL the name of the level; see vector.hpp for what may
// stand here, and line_filter.hpp for what the functions do.
//
// What lies where in the image's and in the kernel's spectrum: line_transform.hpp.
//   products        [point][tile of a group][channel of the panel]
//   dy's spectrum   [point][tile of a chain][channel of the panel]
#include <lamina/autograd/kernels/levels/line_transform.hpp>

namespace lamina::kernels {
namespace {

// Tiles whose products are summed in one chain for the gradient; their spectrum fills most of the
// first-level cache.
constexpr std::int64_t kChain = 16;

template <int outputs, int taps>
struct Lines : LineTransform<outputs, taps> {
  using Base = LineTransform<outputs, taps>;
  using Base::points;
  using Base::spread;
  using typename Base::Plan;
  using typename Base::Transform;

  // ---- outputs ----

  template <int vectors>
  static LAMINA_INLINE void multiply(const Plan& plan, const float* spectrum,
                                     const std::int64_t* offsets, const float* filters,
                                     float* products, const float* ahead, std::int64_t ahead_step) {
    constexpr int rows = most_rows(vectors);
    constexpr int share = (rows * outputs + points - 1) / points;
    RowAddresses x(plan.channels * kPlaces);
    for (int e = 0; e < points; ++e) {
      Vector sum[rows * vectors];
      unroll<rows * vectors>([&](auto i) { sum[i] = broadcast(0); });
      for (std::int64_t k = 0; k < taps * plan.channels; ++k) {
        x.begin(spectrum + offsets[k] + e);
        if (k < share) {
          unroll<vectors>([&](auto v) { __builtin_prefetch(ahead + v * kLanes, 1); });
          ahead += ahead_step;
        }
        add_row_products<rows, vectors>(x, filters, sum);
        filters += vectors * kLanes;
      }
      unroll<rows * vectors>([&](auto i) { store(products + i * kLanes, sum[i]); });
      products += rows * vectors * kLanes;
    }
  }

  // The first `count` outputs of a tile, or all of them.
  template <int vectors, bool partial, bool whole>
  static LAMINA_INLINE void collect(const Panel& panel, const float* products, std::int64_t count,
                                    bool past_caches, float* y, std::int64_t y_step) {
    unroll<vectors>([&](auto v) {
      Vector at[points], out[outputs];
      unroll<points>([&](auto e) {
        at[e] = load(products + (e * most_rows(vectors) * vectors + v) * kLanes);
      });
      Transform::template gather<outputs>(at, out);
      float* to = y + v * kLanes;
      unroll<outputs>([&](auto j) {
        if (!whole && j >= count) return;
        if constexpr (partial && v == vectors - 1) {
          store(panel.last_vector, to, out[j]);
        } else if (past_caches) {
          store_past_caches(to, out[j]);
        } else {
          store(to, out[j]);
        }
        to += y_step;
      });
    });
  }

  template <int vectors, bool partial>
  static void apply_panel(const FilteringPass& pass, const Plan& plan, const Panel& panel,
                          const float* spectrum, const std::int64_t* offsets, const float* filters,
                          bool past_caches, float* products, float* y) {
    constexpr int rows = most_rows(vectors);
    std::int64_t left = pass.out_columns;
    for (std::int64_t tile = 0; tile < plan.count; tile += rows) {
      multiply<vectors>(plan, spectrum + tile * plan.channels * kPlaces, offsets, filters, products,
                        past_caches ? products : y, past_caches ? 0 : pass.out_channels);
      for (std::int64_t i = 0; i < smaller(rows, plan.count - tile); ++i) {
        const float* const from = products + i * vectors * kLanes;
        if (left > outputs) {
          collect<vectors, partial, true>(panel, from, outputs, past_caches, y, pass.out_channels);
          y += outputs * pass.out_channels;
          left -= outputs;
        } else {
          collect<vectors, partial, false>(panel, from, left, past_caches, y, pass.out_channels);
          y += left * pass.out_channels;
          left = pass.out_columns;
        }
      }
    }
  }

  static std::int64_t products_size() { return points * most_rows(1) * 2 * kLanes; }

  static std::int64_t scratch_size(const FilteringPass& pass, std::int64_t rows) {
    const Plan plan(pass, rows);
    return products_size() + 2 * plan.row_values + plan.spectrum_size;
  }

  static void apply(const FilteringPass& pass, const float* image, const float* filters,
                    const RowRange& rows, bool past_caches, float* scratch, float* y) {
    const Plan plan(pass, rows.last - rows.first);
    float* const products = scratch;
    double* const row_values = reinterpret_cast<double*>(scratch + products_size());
    float* const spectrum = scratch + products_size() + 2 * plan.row_values;
    spread(pass, plan, image, rows, row_values, spectrum);
    std::int64_t offsets[taps * kMostLineChannels];
    for (std::int64_t k = 0; k < taps * plan.channels; ++k) {
      offsets[k] = k / plan.channels * plan.row_step + k % plan.channels * kPlaces;
    }
    y += rows.first * pass.out_columns * pass.out_channels;
    for (std::int64_t out = 0; out < pass.out_channels; out += 2 * kLanes) {
      const Panel panel(pass.out_channels, out);
      const float* const of_panel = filters + points * taps * plan.channels * out;
      with_bools(panel.vectors == 2, panel.partial, [&](auto two, auto partial) {
        apply_panel<two + 1, partial != 0>(pass, plan, panel, spectrum, offsets, of_panel,
                                           past_caches, products, y + out);
      });
    }
    if (past_caches) order_stores();
  }

  // ---- the kernel's gradient ----

  // The first `count` values of the output's gradient in one tile, or all of them, at every point.
  template <int vectors, bool partial, bool whole>
  static LAMINA_INLINE void spread_tile(const Panel& panel, const float* dy, std::int64_t dy_step,
                                        std::int64_t count, float* to) {
    unroll<vectors>([&](auto v) {
      Vector values[outputs], at[points];
      unroll<outputs>([&](auto j) {
        const float* const from = dy + j * dy_step + v * kLanes;
        if (!whole && j >= count) {
          values[j] = broadcast(0);
        } else if constexpr (partial && v == vectors - 1) {
          values[j] = load(panel.last_vector, from);
        } else {
          values[j] = load(from);
        }
      });
      Transform::template evaluate<outputs>(values, at);
      unroll<points>([&](auto e) { store(to + (e * kChain * vectors + v) * kLanes, at[e]); });
    });
  }

  // Some points of all row taps of one input channel.
  template <int vectors, int together>
  static LAMINA_INLINE void add_products(const Plan& plan, const float* spectrum, const float* dy,
                                         std::int64_t count, std::int64_t sum_step, float* sum,
                                         const float* ahead, std::int64_t ahead_step) {
    constexpr int width = vectors * static_cast<int>(kLanes);
    RowAddresses x(plan.row_step);
    Vector sums[together * taps * vectors];
    unroll<together * taps * vectors>([&](auto i) { sums[i] = broadcast(0); });
    for (std::int64_t tile = 0; tile < count; ++tile) {
      x.begin(spectrum);
      unroll<together>([&](auto e) {
        Vector right[vectors];
        unroll<vectors>([&](auto v) { right[v] = load(dy + e * kChain * width + v * kLanes); });
        unroll<taps>([&](auto tap) {
          const Vector left = broadcast(x.template value<decltype(tap){}, decltype(e){}>());
          unroll<vectors>([&](auto v) {
            constexpr int at = (decltype(e){} * taps + decltype(tap){}) * vectors + decltype(v){};
            sums[at] = add_product(left, right[v], sums[at]);
          });
        });
      });
      unroll<vectors>([&](auto v) { prefetch(ahead + v * kLanes); });
      ahead += ahead_step;
      spectrum += plan.channels * kPlaces;
      dy += width;
    }
    unroll<together>([&](auto e) {
      unroll<taps>([&](auto tap) {
        unroll<vectors>([&](auto v) {
          constexpr int at = (decltype(e){} * taps + decltype(tap){}) * vectors + decltype(v){};
          float* const to = sum + e * sum_step + tap * plan.channels * width + v * kLanes;
          store(to, load(to) + sums[at]);
        });
      });
    });
  }

  // As many points as there are registers for their sums.
  static constexpr int points_together(int vectors) {
    constexpr int kRegisters = 2 * kLanes;
    int together = 1;
    for (int n = 2; n <= points; ++n) {
      if (points % n == 0 && n * taps * vectors + vectors + 1 < kRegisters) together = n;
    }
    return together;
  }

  template <int vectors, bool partial>
  static void add_panel(const FilteringPass& pass, const Plan& plan, const Panel& panel,
                        const float* spectrum, const float* dy, float* dy_spectrum, float* sum) {
    constexpr int width = vectors * static_cast<int>(kLanes);
    constexpr int together = points_together(vectors);
    const std::int64_t sum_step = taps * plan.channels * width;
    std::int64_t left = pass.out_columns;
    for (std::int64_t first = 0; first < plan.count; first += kChain) {
      const std::int64_t count = smaller(kChain, plan.count - first);
      for (std::int64_t i = 0; i < count; ++i) {
        float* const to = dy_spectrum + i * width;
        if (left > outputs) {
          spread_tile<vectors, partial, true>(panel, dy, pass.out_channels, outputs, to);
          dy += outputs * pass.out_channels;
          left -= outputs;
        } else {
          spread_tile<vectors, partial, false>(panel, dy, pass.out_channels, left, to);
          dy += left * pass.out_channels;
          left = pass.out_columns;
        }
      }
      // The next chain's lines, one per tile, are asked for by the first passes over the tiles.
      const float* ahead = dy;
      int turn = 0;
      const float* const from = spectrum + first * plan.channels * kPlaces;
      for (int e = 0; e < points; e += together) {
        for (std::int64_t c = 0; c < plan.channels; ++c, ++turn) {
          const std::int64_t ahead_step = turn < outputs ? pass.out_channels : 0;
          add_products<vectors, together>(plan, from + c * kPlaces + e,
                                          dy_spectrum + e * kChain * width, count, sum_step,
                                          sum + e * sum_step + c * width, ahead, ahead_step);
          ahead += count * ahead_step;
        }
      }
    }
  }

  static std::int64_t gradient_scratch_size(const FilteringPass& pass, std::int64_t rows) {
    const Plan plan(pass, rows);
    return points * kChain * 2 * kLanes + 2 * plan.row_values + plan.spectrum_size;
  }

  static void add_gradient(const FilteringPass& pass, const float* image, const float* dy,
                           const RowRange& rows, float* scratch, float* sum) {
    const Plan plan(pass, rows.last - rows.first);
    float* const dy_spectrum = scratch;
    float* const behind = scratch + points * kChain * 2 * kLanes;
    double* const row_values = reinterpret_cast<double*>(behind);
    float* const spectrum = behind + 2 * plan.row_values;
    spread(pass, plan, image, rows, row_values, spectrum);
    dy += rows.first * pass.out_columns * pass.out_channels;
    for (std::int64_t out = 0; out < pass.out_channels; out += 2 * kLanes) {
      const Panel panel(pass.out_channels, out);
      with_bools(panel.vectors == 2, panel.partial, [&](auto two, auto partial) {
        add_panel<two + 1, partial != 0>(pass, plan, panel, spectrum, dy + out, dy_spectrum,
                                         sum + points * taps * plan.channels * out);
      });
    }
  }

  static constexpr LineFilter table() {
    return {.outputs = outputs,
            .points = points,
            .filters_size = Base::filters_size,
            .transform_filters = Base::transform_filters,
            .scratch_size = scratch_size,
            .apply = apply,
            .gradient_scratch_size = gradient_scratch_size,
            .add_gradient = add_gradient,
            .finish_gradient = Base::finish_gradient};
  }
};

constexpr LineFilter kOf3 = Lines<4, 3>::table(), kOf5 = Lines<4, 5>::table();

}  // namespace

const LineFilter* LAMINA_LEVEL::line_filter(std::int64_t taps) {
  return taps == 3 ? &kOf3 : taps == 5 ? &kOf5 : nullptr;
}

}  // namespace lamina::kernels
