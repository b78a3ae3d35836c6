// The two-dimensional transforms of minimal filtering F(m x m, r x r), one vector of channels at a
// time: first along the columns, then along the rows (filter_transform.hpp). For the files of
// levels/ alone (see vector.hpp).
//
//   spread           a square of an image, or of an output's gradient    -> its points
//   collect          the points of the products                         -> m x m outputs
//   spread_kernel    r x r taps                                          -> their points
//   collect_kernel   the points of the summed products                  -> the gradient of r x r taps
//
// Points lie `step` floats apart. An odd number of cache lines keeps one channel's points from
// competing for the same lines of the cache.
#pragma once

#include <lamina/autograd/kernels/levels/filter_transform.hpp>
#include <lamina/autograd/kernels/levels/integers.hpp>
#include <lamina/autograd/kernels/levels/minimal_filter.hpp>
#include <lamina/autograd/kernels/levels/strip.hpp>
#include <lamina/autograd/kernels/levels/transpose_square.hpp>

namespace lamina::kernels {
namespace {

// Channels of a kernel that are asked for before their turn: the lines of its taps lie too far
// apart for the processor to foresee.
constexpr std::int64_t kAhead = 8;

LAMINA_INLINE std::int64_t panels_of(std::int64_t channels) {
  return (channels + kLanes - 1) / kLanes;
}
LAMINA_INLINE constexpr std::int64_t odd_lines(std::int64_t floats) {
  return ((floats + 15) / 16 | 1) * 16;
}

struct Image {
  std::int64_t rows, columns, channels;

  LAMINA_INLINE std::int64_t size() const { return rows * columns * channels; }
};
LAMINA_INLINE Image input_image(const FilteringPass& pass) {
  return {pass.in_rows, pass.in_columns, pass.in_channels};
}
LAMINA_INLINE Image output_image(const FilteringPass& pass) {
  return {pass.out_rows, pass.out_columns, pass.out_channels};
}

struct Place {
  std::int64_t image, row, column;  // of the tile, in tiles
};

struct Grid {
  std::int64_t rows, columns;

  LAMINA_INLINE Place place(std::int64_t tile) const {
    const std::int64_t within = tile % (rows * columns);
    return {tile / (rows * columns), within / columns, within % columns};
  }
};

// A square of an image, `edge` wide from (top, left) on, 0 outside.
template <int edge>
struct Square {
  LAMINA_INLINE Square(const float* image, const Image& size, const float* zeros, std::int64_t top,
                       std::int64_t left_column)
      : left(left_column), columns(size.columns) {
    for (int i = 0; i < edge; ++i) {
      const bool inside = top + i >= 0 && top + i < size.rows;
      rows[i] = inside ? image + (top + i) * size.columns * size.channels : zeros;
      strides[i] = inside ? size.channels : 0;
    }
  }

  LAMINA_INLINE bool has_column(int j) const { return left + j >= 0 && left + j < columns; }

  const float* rows[edge];
  std::int64_t strides[edge];  // 0: the row lies outside, every column of it reads `zeros`
  std::int64_t left, columns;
};

template <int outputs, int taps>
struct SquareTransform {
  using Transform = FilterTransform<outputs, taps>;
  static constexpr int tile = Transform::tile;
  static constexpr int points = tile * tile;

  static LAMINA_INLINE Grid grid(const FilteringPass& pass) {
    return {(pass.out_rows + outputs - 1) / outputs, (pass.out_columns + outputs - 1) / outputs};
  }

  // What a tile reads of the input, and its part of the output's gradient.
  static LAMINA_INLINE Square<tile> input(const FilteringPass& pass, const float* x,
                                          const float* zeros, const Place& at) {
    const Image size = input_image(pass);
    return {x + at.image * size.size(), size, zeros, at.row * outputs - pass.above,
            at.column * outputs - pass.left};
  }
  static LAMINA_INLINE Square<outputs> output(const FilteringPass& pass, const float* dy,
                                              const float* zeros, const Place& at) {
    const Image size = output_image(pass);
    return {dy + at.image * size.size(), size, zeros, at.row * outputs, at.column * outputs};
  }

  // The channels from `channel` on: a vector, or its first lanes (Full, First).
  template <int edge, class Lanes>
  static LAMINA_INLINE void spread(const Square<edge>& square, std::int64_t channel, Lanes lanes,
                                   float* to, std::int64_t step) {
    const auto transform = [](const Vector* in, Vector* out) __attribute__((always_inline)) {
      if constexpr (edge == tile) {
        Transform::interpolate(in, out);
      } else {
        Transform::template evaluate<edge>(in, out);
      }
    };
    Vector columns[tile][edge];
    for (int j = 0; j < edge; ++j) {
      if (!square.has_column(j)) {
        unroll<tile>([&](auto i) { columns[i][j] = broadcast(0); });
        continue;
      }
      Vector in[edge], out[tile];
      unroll<edge>([&](auto i) {
        in[i] = lanes.load(square.rows[i] + (square.left + j) * square.strides[i] + channel);
      });
      transform(in, out);
      unroll<tile>([&](auto i) { columns[i][j] = out[i]; });
    }
    for (int i = 0; i < tile; ++i) {
      Vector out[tile];
      transform(columns[i], out);
      unroll<tile>([&](auto j) { store(to + (i * tile + j) * step, out[j]); });
    }
  }

  // The channels from `image` on of the outputs of a tile; those outside the image are left out.
  template <class Lanes>
  static LAMINA_INLINE void collect(const float* products, std::int64_t step, float* image,
                                    Lanes lanes, const Image& size, std::int64_t top,
                                    std::int64_t left) {
    const std::int64_t rows = smaller(outputs, size.rows - top);
    const std::int64_t columns = smaller(outputs, size.columns - left);
    Vector halves[outputs][tile];
    for (int j = 0; j < tile; ++j) {
      Vector in[tile], out[outputs];
      unroll<tile>([&](auto i) { in[i] = load(products + (i * tile + j) * step); });
      Transform::template gather<outputs>(in, out);
      unroll<outputs>([&](auto i) { halves[i][j] = out[i]; });
    }
    for (int i = 0; i < rows; ++i) {
      Vector out[outputs];
      Transform::template gather<outputs>(halves[i], out);
      float* const to = image + ((top + i) * size.columns + left) * size.channels;
      unroll<outputs>([&](auto j) {
        if (j < columns) lanes.store(to + j * size.channels, out[j]);
      });
    }
  }

  // Kernels are transformed in double: the rounding of a weight would be in every output.
  static LAMINA_INLINE void spread_kernel(const Vector (&kernel)[taps * taps], float* to,
                                          std::int64_t step) {
    Doubles rows[tile][taps];
    for (int j = 0; j < taps; ++j) {
      Doubles column[taps], values[tile];
      for (int i = 0; i < taps; ++i) column[i] = widen(kernel[i * taps + j]);
      Transform::template evaluate<taps>(column, values);
      for (int i = 0; i < tile; ++i) rows[i][j] = values[i];
    }
    for (int i = 0; i < tile; ++i) {
      Doubles values[tile];
      Transform::template evaluate<taps>(rows[i], values);
      for (int j = 0; j < tile; ++j) {
        store(to + (i * tile + j) * step,
              narrow(scale(kWeights.at[i] * kWeights.at[j], values[j])));
      }
    }
  }

  // sum(point) are the Doubles of a point.
  template <class Sum>
  static LAMINA_INLINE void collect_kernel(Sum sum, Vector (&kernel)[taps * taps]) {
    Doubles halves[taps][tile];
    for (int j = 0; j < tile; ++j) {
      Doubles at[tile], column[taps];
      for (int i = 0; i < tile; ++i) {
        at[i] = scale(kWeights.at[i] * kWeights.at[j], sum(i * tile + j));
      }
      Transform::template gather<taps>(at, column);
      for (int i = 0; i < taps; ++i) halves[i][j] = column[i];
    }
    for (int i = 0; i < taps; ++i) {
      Doubles row[taps];
      Transform::template gather<taps>(halves[i], row);
      for (int j = 0; j < taps; ++j) kernel[i * taps + j] = narrow(row[j]);
    }
  }

  // Input channels [first, last) of panels [first_panel, last_panel) of a kernel at every point:
  // [point][panel - first_panel][in channel - first][kLanes], panels `panel_step` apart.
  static LAMINA_INLINE void transform_kernel(const KernelView& kernel, std::int64_t first,
                                             std::int64_t last, std::int64_t first_panel,
                                             std::int64_t last_panel, float* filters,
                                             std::int64_t step, std::int64_t panel_step) {
    for (std::int64_t group = first; group < last; group += kLanes) {
      const std::int64_t depth = smaller(kLanes, last - group);
      for (std::int64_t panel = first_panel; panel < last_panel; ++panel) {
        float* const to = filters + (panel - first_panel) * panel_step + (group - first) * kLanes;
        const std::int64_t begin = panel * kLanes;
        const std::int64_t count = smaller(kLanes, kernel.out_channels - begin);
        if (kernel.turned) {
          spread_turned(kernel, group, depth, begin, count, to, step);
        } else {
          spread_kernels(kernel, group, depth, begin, count, to, step);
        }
      }
    }
  }

 private:
  // One panel, its `count` output channels from `begin` on, for `depth` input channels from `group`
  // on.
  static LAMINA_INLINE void spread_kernels(const KernelView& kernel, std::int64_t group,
                                           std::int64_t depth, std::int64_t begin,
                                           std::int64_t count, float* to, std::int64_t step) {
    const std::int64_t out = kernel.out_channels;
    const std::int64_t tap_step = kernel.in_channels * out;
    const Mask lanes = first_lanes(count);
    for (std::int64_t i = 0; i < depth; ++i) {
      const float* const from = kernel.data + (group + i) * out + begin;
      Vector values[taps * taps];
      unroll<taps * taps>([&](auto tap) {
        values[tap] = load(lanes, from + tap * tap_step);
        prefetch(from + tap * tap_step + kAhead * out);
      });
      spread_kernel(values, to + i * kLanes, step);
    }
  }
  static LAMINA_INLINE void spread_turned(const KernelView& kernel, std::int64_t group,
                                          std::int64_t depth, std::int64_t begin,
                                          std::int64_t count, float* to, std::int64_t step) {
    float turned[taps * taps][kLanes * kLanes];  // [tap][in channel][out channel]
    const Mask lanes = first_lanes(depth);
    for (int tap = 0; tap < taps * taps; ++tap) {
      const float* const from =
          kernel.data + (tap * kernel.out_channels + begin) * kernel.in_channels + group;
      Vector rows[kLanes];
      unroll<kLanes>([&](auto o) {
        const float* const row = from + o * kernel.in_channels;
        rows[o] = o < count ? load(lanes, row) : broadcast(0);
        prefetch(row + kLanes);
      });
      transpose(rows);
      unroll<kLanes>([&](auto i) { store(turned[taps * taps - 1 - tap] + i * kLanes, rows[i]); });
    }
    for (std::int64_t i = 0; i < depth; ++i) {
      Vector values[taps * taps];
      unroll<taps * taps>([&](auto tap) { values[tap] = load(turned[tap] + i * kLanes); });
      spread_kernel(values, to + i * kLanes, step);
    }
  }

  struct Weights {
    double at[tile];
  };
  static constexpr Weights weights() {
    Weights result{};
    for (int i = 0; i < tile; ++i) result.at[i] = Transform::weight(i);
    return result;
  }
  static constexpr Weights kWeights = weights();
};

}  // namespace
}  // namespace lamina::kernels
