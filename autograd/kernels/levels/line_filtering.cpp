// Compiled once per level, with LAMINA_LEVEL the name of the level; see vector.hpp for what may
// stand here, and line_filter.hpp for what the functions do.
//
// The tiles of a row lie side by side, and behind them those of the next row: output tile p meets the
// tiles p, p + tiles, p + 2 tiles, ... of the input, one per tap of the kernel's rows. So every point
// is a product of matrices whose left one is read where it lies.
//   spectrum        [input row][tile][channel][8 places for points]
//   products        [point][tile of a group][channel of the panel]
//   filters, sums   [panel][point][row tap][in channel][channel of the panel]
//   dy's spectrum   [point][tile of a group][channel of the panel]
#include <lamina/autograd/kernels/levels/filter_transform.hpp>
#include <lamina/autograd/kernels/levels/integers.hpp>
#include <lamina/autograd/kernels/levels/line_filter.hpp>
#include <lamina/autograd/kernels/levels/panel.hpp>
#include <lamina/autograd/kernels/levels/row_addresses.hpp>

namespace lamina::kernels {
namespace {

constexpr std::int64_t kPlaces = 8;
constexpr std::int64_t kMostChannels = 24;
// Tiles whose products are summed in one chain for the gradient; their spectrum fills most of the
// first-level cache.
constexpr std::int64_t kChain = 16;

template <int outputs, int taps>
struct Lines {
  using Transform = FilterTransform<outputs, taps>;
  static constexpr int points = Transform::tile;
  static_assert(points <= kPlaces);

  // Where the tiles of some output rows lie.
  struct Plan {
    LAMINA_INLINE Plan(const FilteringPass& pass, std::int64_t rows)
        : channels(pass.in_channels),
          tiles(divide_up(pass.out_columns, outputs)),
          count(rows * tiles),
          row_values((tiles * outputs + taps - 1) * channels),
          row_step(tiles * channels * kPlaces),
          spectrum_size((rows + taps - 1) * row_step + most_rows(1) * channels * kPlaces) {}

    std::int64_t channels, tiles, count;
    std::int64_t row_values;
    std::int64_t row_step;
    std::int64_t spectrum_size;
  };

  static std::int64_t padded(std::int64_t channels) { return up_to_multiple(channels, kLanes); }

  // ---- the kernel ----

  static std::int64_t filters_size(std::int64_t in, std::int64_t out) {
    return points * taps * in * padded(out);
  }

  // One row tap of one input channel, for a vector of output channels.
  struct Entry {
    std::int64_t tap, channel;
    std::int64_t out, lanes;   // the first output channel, and how many
    std::int64_t place, step;  // in the filters: of point 0, and from point to point
  };

  template <class Body>
  static LAMINA_INLINE void for_entries(std::int64_t in, std::int64_t out, Body body) {
    const std::int64_t entries = taps * in;
    for (std::int64_t first = 0; first < padded(out); first += kLanes) {
      const Panel panel(out, first / (2 * kLanes) * (2 * kLanes));
      const std::int64_t width = panel.vectors * kLanes;
      const std::int64_t begin = points * entries * panel.first + first - panel.first;
      for (std::int64_t i = 0; i < entries; ++i) {
        body(Entry{.tap = i / in,
                   .channel = i % in,
                   .out = first,
                   .lanes = smaller(kLanes, out - first),
                   .place = begin + i * width,
                   .step = entries * width});
      }
    }
  }

  // The output channels of an entry at one column tap.
  static LAMINA_INLINE Vector load_tap(const KernelView& kernel, const Entry& entry,
                                       std::int64_t column) {
    const std::int64_t in = kernel.in_channels, out = kernel.out_channels;
    const std::int64_t tap = entry.tap * taps + column;
    if (!kernel.turned) {
      return load(first_lanes(entry.lanes),
                  kernel.data + (tap * in + entry.channel) * out + entry.out);
    }
    const float* const from =
        kernel.data + ((taps * taps - 1 - tap) * out + entry.out) * in + entry.channel;
    float values[kLanes] = {};
    for (std::int64_t i = 0; i < entry.lanes; ++i) values[i] = from[i * in];
    return load(values);
  }

  // In double: the rounding of a weight would be in every output.
  static void transform_filters(const KernelView& kernel, float* filters) {
    for_entries(kernel.in_channels, kernel.out_channels, [&](const Entry& entry) {
      Doubles values[taps], at[points];
      unroll<taps>([&](auto j) { values[j] = widen(load_tap(kernel, entry, j)); });
      Transform::template evaluate<taps>(values, at);
      unroll<points>([&](auto e) {
        constexpr double weight = Transform::weight(decltype(e){});
        store(filters + entry.place + e * entry.step, narrow(scale(weight, at[e])));
      });
    });
  }

  static void finish_gradient(std::int64_t in, std::int64_t out, const float* sums,
                              std::int64_t count, float* dkernel) {
    const std::int64_t size = filters_size(in, out);
    for_entries(in, out, [&](const Entry& entry) {
      Doubles at[points], values[taps];
      unroll<points>([&](auto e) {
        constexpr double weight = Transform::weight(decltype(e){});
        const float* const from = sums + entry.place + e * entry.step;
        Doubles sum = widen(load(from));
        for (std::int64_t i = 1; i < count; ++i) sum = sum + widen(load(from + i * size));
        at[e] = scale(weight, sum);
      });
      Transform::template gather<taps>(at, values);
      float* const to = dkernel + (entry.tap * taps * in + entry.channel) * out + entry.out;
      unroll<taps>(
          [&](auto j) { store(first_lanes(entry.lanes), to + j * in * out, narrow(values[j])); });
    });
  }

  // ---- the input ----

  struct Interpolation {
    double of[points][kPlaces];  // [value of a tile][point]
  };
  static constexpr Interpolation interpolation() {
    Interpolation result{};
    for (int j = 0; j < points; ++j) {
      for (int e = 0; e < points; ++e) result.of[j][e] = Transform::interpolation(e, j);
    }
    return result;
  }
  static constexpr Interpolation kInterpolation = interpolation();

  // In double: few channels are few terms of a sum, and these round little.
  static LAMINA_INLINE void spread_row(const Plan& plan, const double* row, float* spectrum) {
    for (std::int64_t tile = 0; tile < plan.tiles; ++tile) {
      for (std::int64_t c = 0; c < plan.channels; ++c) {
        const double* const values = row + tile * outputs * plan.channels + c;
        EightDoubles sum = scale_eight(values[0], load_eight(kInterpolation.of[0]));
        unroll<points - 1>([&](auto i) {
          constexpr int j = decltype(i){} + 1;
          sum = add_scaled_eight(values[j * plan.channels], load_eight(kInterpolation.of[j]), sum);
        });
        store_eight(spectrum, sum);
        spectrum += kPlaces;
      }
    }
  }

  // What some output rows read.
  static LAMINA_INLINE void spread(const FilteringPass& pass, const Plan& plan, const float* image,
                                   const RowRange& rows, double* row_values, float* spectrum) {
    const std::int64_t length = pass.in_columns * pass.in_channels;
    const std::int64_t before = pass.left * pass.in_channels;
    const std::int64_t begin = clamp(before, 0, plan.row_values);
    const std::int64_t end = clamp(before + length, begin, plan.row_values);
    for (std::int64_t i = 0; i < begin; ++i) row_values[i] = 0;
    for (std::int64_t i = end; i < plan.row_values; ++i) row_values[i] = 0;
    float* to = spectrum;
    for (std::int64_t r = rows.first; r < rows.last + taps - 1; ++r, to += plan.row_step) {
      const std::int64_t row = r - pass.above;
      if (row < 0 || row >= pass.in_rows) {
        for (std::int64_t i = 0; i < plan.row_step; ++i) to[i] = 0;
        continue;
      }
      const float* const from = image + row * length - before;
      for (std::int64_t i = begin; i < end; ++i) row_values[i] = static_cast<double>(from[i]);
      spread_row(plan, row_values, to);
    }
    // The last group of tiles reads so far.
    while (to < spectrum + plan.spectrum_size) *to++ = 0;
  }

  // ---- outputs ----

  template <int vectors>
  static LAMINA_INLINE void multiply(const Plan& plan, const float* spectrum,
                                     const std::int64_t* offsets, const float* filters,
                                     float* products, const float* ahead, std::int64_t ahead_step) {
    constexpr int rows = most_rows(vectors);
    RowAddresses x(plan.channels * kPlaces);
    for (int e = 0; e < points; ++e) {
      Vector sum[rows * vectors];
      unroll<rows * vectors>([&](auto i) { sum[i] = broadcast(0); });
      for (std::int64_t k = 0; k < taps * plan.channels; ++k) {
        x.begin(spectrum + offsets[k] + e);
        unroll<vectors>([&](auto v) { __builtin_prefetch(ahead + v * kLanes, 1); });
        ahead += ahead_step;
        Vector right[vectors];
        unroll<vectors>([&](auto v) { right[v] = load(filters + v * kLanes); });
        unroll<rows>([&](auto i) {
          const Vector left = broadcast(x.template value<decltype(i){}>());
          unroll<vectors>([&](auto v) {
            constexpr int at = decltype(i){} * vectors + decltype(v){};
            sum[at] = add_product(left, right[v], sum[at]);
          });
        });
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
                        past_caches ? filters : y, past_caches ? 0 : pass.out_channels);
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
    std::int64_t offsets[taps * kMostChannels];
    for (std::int64_t k = 0; k < taps * plan.channels; ++k) {
      offsets[k] = k / plan.channels * plan.row_step + k % plan.channels * kPlaces;
    }
    y += rows.first * pass.out_columns * pass.out_channels;
    for (std::int64_t out = 0; out < pass.out_channels; out += 2 * kLanes) {
      const Panel panel(pass.out_channels, out);
      const float* const of_panel = filters + points * taps * plan.channels * out;
      const auto run = [&](auto vectors, auto partial) __attribute__((always_inline)) {
        apply_panel<vectors, partial != 0>(pass, plan, panel, spectrum, offsets, of_panel,
                                           past_caches, products, y + out);
      };
      if (panel.vectors == 2) {
        panel.partial ? run(Constant<2>{}, Constant<1>{}) : run(Constant<2>{}, Constant<0>{});
      } else {
        panel.partial ? run(Constant<1>{}, Constant<1>{}) : run(Constant<1>{}, Constant<0>{});
      }
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
      const float* ahead = dy;
      const float* const from = spectrum + first * plan.channels * kPlaces;
      for (int e = 0; e < points; e += together) {
        for (std::int64_t c = 0; c < plan.channels; ++c) {
          add_products<vectors, together>(plan, from + c * kPlaces + e,
                                          dy_spectrum + e * kChain * width, count, sum_step,
                                          sum + e * sum_step + c * width, ahead, pass.out_channels);
          ahead += count * pass.out_channels;
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
      const auto run = [&](auto vectors, auto partial) __attribute__((always_inline)) {
        add_panel<vectors, partial != 0>(pass, plan, panel, spectrum, dy + out, dy_spectrum,
                                         sum + points * taps * plan.channels * out);
      };
      if (panel.vectors == 2) {
        panel.partial ? run(Constant<2>{}, Constant<1>{}) : run(Constant<2>{}, Constant<0>{});
      } else {
        panel.partial ? run(Constant<1>{}, Constant<1>{}) : run(Constant<1>{}, Constant<0>{});
      }
    }
  }

  static constexpr LineFilter table() {
    return {.outputs = outputs,
            .points = points,
            .filters_size = filters_size,
            .transform_filters = transform_filters,
            .scratch_size = scratch_size,
            .apply = apply,
            .gradient_scratch_size = gradient_scratch_size,
            .add_gradient = add_gradient,
            .finish_gradient = finish_gradient};
  }
};

constexpr LineFilter kOf3 = Lines<4, 3>::table(), kOf5 = Lines<4, 5>::table();

}  // namespace

const LineFilter* LAMINA_LEVEL::line_filter(std::int64_t taps) {
  return taps == 3 ? &kOf3 : taps == 5 ? &kOf5 : nullptr;
}

}  // namespace lamina::kernels
