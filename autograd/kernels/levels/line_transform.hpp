// The transforms of minimal filtering along lines, and where its tiles lie; for the files of
// levels/ alone (see vector.hpp).
//
// The tiles of a row lie side by side, and behind them those of the next row: output tile p meets
// the tiles p, p + tiles, p + 2 tiles, ... of the input, one per tap of the kernel's rows. So every
// point is a product of matrices whose left one is read where it lies.
//   spectrum        [input row][tile][channel][kPlaces for points]
//   filters, sums   [panel][point][row tap][in channel][channel of the panel]
#pragma once

#include <lamina/autograd/kernels/levels/filter_transform.hpp>
#include <lamina/autograd/kernels/levels/integers.hpp>
#include <lamina/autograd/kernels/levels/line_filter.hpp>
#include <lamina/autograd/kernels/levels/panel.hpp>
#include <lamina/autograd/kernels/levels/row_addresses.hpp>

namespace lamina::kernels {
namespace {

constexpr std::int64_t kPlaces = 8;

template <int outputs, int taps>
struct LineTransform {
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
    return load_first(from, in, entry.lanes);
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
    // No further than an output reads: what lies behind would come out as a rounding error.
    const std::int64_t read = (pass.out_columns + taps - 1) * pass.in_channels;
    const std::int64_t end = clamp(smaller(before + length, read), begin, plan.row_values);
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
};

}  // namespace
}  // namespace lamina::kernels
