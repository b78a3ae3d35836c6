// Compiled once per level, with LAMINA_LEVEL the name of the level; see vector.hpp for what may
// stand here, and minimal_filter.hpp for what the functions do.
//
//   transformed input   [point][tile of the block][channel]
//   products            [point][tile of the block][channel, up to a multiple of kLanes]
//   filters, sums       [point][panel of kLanes out channels][in channel][kLanes]
#include <lamina/autograd/kernels/levels/filter_transform.hpp>
#include <lamina/autograd/kernels/levels/mask.hpp>
#include <lamina/autograd/kernels/levels/minimal_filter.hpp>
#include <lamina/autograd/kernels/levels/product.hpp>

namespace lamina::kernels {
namespace {

constexpr std::int64_t kBlock = 24;  // a multiple of both kTileRows
// Channels that are summed in one chain: for 64 channels that takes a third off the rounding error
// and costs 5 % of the time.
constexpr std::int64_t kChain = 16;

LAMINA_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
LAMINA_INLINE std::int64_t panels_of(std::int64_t channels) {
  return (channels + kLanes - 1) / kLanes;
}
LAMINA_INLINE std::int64_t padded(std::int64_t channels) { return panels_of(channels) * kLanes; }
LAMINA_INLINE std::int64_t padded_rows(std::int64_t rows) {
  return (rows + kTileRows - 1) / kTileRows * kTileRows;
}

// The distance between two points that each have a block of tiles: an odd number of cache lines, so
// that one channel's points do not compete for the same lines of the cache.
LAMINA_INLINE std::int64_t point_step(std::int64_t channels) {
  return ((kBlock * channels + 15) / 16 | 1) * 16;
}

struct Image {
  std::int64_t rows, columns, channels;
};

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

template <int outputs, int taps>
struct Filtering {
  using Transform = FilterTransform<outputs, taps>;
  static constexpr int tile = Transform::tile;
  static constexpr int points = tile * tile;

  static LAMINA_INLINE Grid grid(const FilteringPass& pass) {
    return {(pass.out_rows + outputs - 1) / outputs, (pass.out_columns + outputs - 1) / outputs};
  }

  // What the loops over tiles need, computed once.
  struct Plan {
    Grid tiles;
    Image in, out;
    std::int64_t panels, width;      // of the output channels; channels up to whole panels
    std::int64_t in_step, out_step;  // between points

    explicit LAMINA_INLINE Plan(const FilteringPass& pass)
        : tiles(grid(pass)),
          in{pass.in_rows, pass.in_columns, pass.in_channels},
          out{pass.out_rows, pass.out_columns, pass.out_channels},
          panels(panels_of(out.channels)),
          width(panels * kLanes),
          in_step(point_step(in.channels)),
          out_step(point_step(width)) {}
  };

  static std::int64_t filters_size(std::int64_t in, std::int64_t out) {
    return points * in * padded(out);
  }
  static std::int64_t sum_size(std::int64_t in, std::int64_t out) {
    return points * padded_rows(in) * padded(out);
  }
  static std::int64_t scratch_size(const FilteringPass& pass) {
    return points * (point_step(pass.in_channels) + point_step(padded(pass.out_channels)));
  }
  // The last rows of the last sum read past the channels.
  static std::int64_t gradient_scratch_size(const FilteringPass& pass) {
    return scratch_size(pass) + kTileRows;
  }

  static void transform_filters(const float* kernel, std::int64_t in, std::int64_t out, bool turned,
                                std::int64_t first, std::int64_t last, float* filters) {
    const std::int64_t panels = panels_of(out);
    for (std::int64_t channel = first; channel < last; ++channel) {
      for (std::int64_t panel = 0; panel < panels; ++panel) {
        const std::int64_t begin = panel * kLanes;
        const std::int64_t count = smaller(kLanes, out - begin);
        const float* const from =
            turned ? kernel + begin * in + channel : kernel + channel * out + begin;
        Doubles rows[tile][taps];
        for (int j = 0; j < taps; ++j) {
          Doubles column[taps], values[tile];
          for (int i = 0; i < taps; ++i) {
            const int at = turned ? taps * taps - 1 - (i * taps + j) : i * taps + j;
            column[i] = widen(load_first(from + at * in * out, turned ? in : 1, count));
          }
          Transform::template evaluate<taps>(column, values);
          for (int i = 0; i < tile; ++i) rows[i][j] = values[i];
        }
        for (int i = 0; i < tile; ++i) {
          Doubles values[tile];
          Transform::template evaluate<taps>(rows[i], values);
          for (int j = 0; j < tile; ++j) {
            store(filters + (((i * tile + j) * panels + panel) * in + channel) * kLanes,
                  narrow(scale(kWeights.at[i] * kWeights.at[j], values[j])));
          }
        }
      }
    }
  }

  // The values of a square of the image, `edge` wide from (top, left) on and 0 outside, at all
  // points: those of the input of the filter (edge = tile), or of an output's gradient.
  template <int edge>
  static LAMINA_INLINE void spread(const float* image, const Image& size, const float* zeros,
                                   std::int64_t top, std::int64_t left, float* to,
                                   std::int64_t step) {
    const auto transform = [](const Vector* in, Vector* out) __attribute__((always_inline)) {
      if constexpr (edge == tile) {
        Transform::interpolate(in, out);
      } else {
        Transform::template evaluate<edge>(in, out);
      }
    };
    const float* rows[edge];
    std::int64_t strides[edge];  // 0: the row lies outside, every column of it reads `zeros`
    for (int i = 0; i < edge; ++i) {
      const bool inside = top + i >= 0 && top + i < size.rows;
      rows[i] = inside ? image + (top + i) * size.columns * size.channels : zeros;
      strides[i] = inside ? size.channels : 0;
    }
    // The last vector of channels ends with them, and repeats some of the one before.
    for (std::int64_t begin = 0; begin < size.channels; begin += kLanes) {
      const std::int64_t channel = smaller(begin, size.channels - kLanes);
      Vector columns[tile][edge];
      for (int j = 0; j < edge; ++j) {
        if (left + j < 0 || left + j >= size.columns) {
          unroll<tile>([&](auto i) { columns[i][j] = broadcast(0); });
          continue;
        }
        Vector in[edge], out[tile];
        unroll<edge>([&](auto i) { in[i] = load(rows[i] + (left + j) * strides[i] + channel); });
        transform(in, out);
        unroll<tile>([&](auto i) { columns[i][j] = out[i]; });
      }
      for (int i = 0; i < tile; ++i) {
        Vector out[tile];
        transform(columns[i], out);
        unroll<tile>([&](auto j) { store(to + (i * tile + j) * step + channel, out[j]); });
      }
    }
  }

  // The input of one tile at all points.
  static LAMINA_INLINE void spread_input(const FilteringPass& pass, const Plan& plan,
                                         const float* x, const float* zeros, const Place& at,
                                         float* to) {
    const Image& in = plan.in;
    spread<tile>(x + at.image * in.rows * in.columns * in.channels, in, zeros,
                 at.row * outputs - pass.above, at.column * outputs - pass.left, to, plan.in_step);
  }

  // The outputs of one tile from its products; those outside the image are left out.
  static LAMINA_INLINE void collect(const float* products, std::int64_t step, float* image,
                                    const Image& size, std::int64_t top, std::int64_t left) {
    const std::int64_t rows = smaller(outputs, size.rows - top);
    const std::int64_t columns = smaller(outputs, size.columns - left);
    for (std::int64_t begin = 0; begin < size.channels; begin += kLanes) {
      const std::int64_t channel = smaller(begin, size.channels - kLanes);
      Vector halves[outputs][tile];
      for (int j = 0; j < tile; ++j) {
        Vector in[tile], out[outputs];
        unroll<tile>([&](auto i) { in[i] = load(products + (i * tile + j) * step + channel); });
        Transform::template gather<outputs>(in, out);
        unroll<outputs>([&](auto i) { halves[i][j] = out[i]; });
      }
      for (int i = 0; i < rows; ++i) {
        Vector out[outputs];
        Transform::template gather<outputs>(halves[i], out);
        float* const to = image + ((top + i) * size.columns + left) * size.channels + channel;
        unroll<outputs>([&](auto j) {
          if (j < columns) store(to + j * size.channels, out[j]);
        });
      }
    }
  }

  static void apply(const FilteringPass& pass, const float* x, const float* filters,
                    const float* zeros, std::int64_t first, std::int64_t last, float* scratch,
                    float* y) {
    const Plan plan(pass);
    const auto& [tiles, in, out, panels, width, in_step, out_step] = plan;
    float* const spectrum = scratch;
    float* const products = scratch + points * in_step;
    for (std::int64_t block = first; block < last; block += kBlock) {
      const std::int64_t count = smaller(kBlock, last - block);
      for (std::int64_t i = 0; i < count; ++i) {
        const Place at = tiles.place(block + i);
        spread_input(pass, plan, x, zeros, at, spectrum + i * in.channels);
      }
      for (int point = 0; point < points; ++point) {
        product(count, panels, in.channels, kChain, false,
                {spectrum + point * in_step, in.channels, 1},
                {filters + point * in.channels * width, in.channels * kLanes, kLanes},
                {products + point * out_step, kLanes, width});
      }
      for (std::int64_t i = 0; i < count; ++i) {
        const Place at = tiles.place(block + i);
        collect(products + i * width, out_step,
                y + at.image * out.rows * out.columns * out.channels, out, at.row * outputs,
                at.column * outputs);
      }
    }
  }

  static void add_gradient(const FilteringPass& pass, const float* x, const float* dy,
                           const float* zeros, std::int64_t first, std::int64_t last,
                           float* scratch, float* sum) {
    const Plan plan(pass);
    const auto& [tiles, in, out, panels, width, in_step, out_step] = plan;
    const std::int64_t sum_rows = padded_rows(in.channels);
    float* const gradient = scratch;
    float* const spectrum = scratch + points * out_step;
    for (std::int64_t block = first; block < last; block += kBlock) {
      const std::int64_t count = smaller(kBlock, last - block);
      for (std::int64_t i = 0; i < count; ++i) {
        const Place at = tiles.place(block + i);
        spread_input(pass, plan, x, zeros, at, spectrum + i * in.channels);
        spread<outputs>(dy + at.image * out.rows * out.columns * out.channels, out, zeros,
                        at.row * outputs, at.column * outputs, gradient + i * width, out_step);
      }
      for (int point = 0; point < points; ++point) {
        product(in.channels, panels, count, kBlock, true,
                {spectrum + point * in_step, 1, in.channels},
                {gradient + point * out_step, kLanes, width},
                {sum + point * sum_rows * width, sum_rows * kLanes, kLanes});
      }
    }
  }

  static void finish_gradient(std::int64_t in, std::int64_t out, const float* sums,
                              std::int64_t count, std::int64_t first, std::int64_t last,
                              float* dkernel) {
    const std::int64_t panels = panels_of(out);
    const std::int64_t sum_rows = padded_rows(in);
    const std::int64_t size = sum_size(in, out);
    for (std::int64_t channel = first; channel < last; ++channel) {
      for (std::int64_t panel = 0; panel < panels; ++panel) {
        Doubles halves[taps][tile];
        for (int j = 0; j < tile; ++j) {
          Doubles at[tile], column[taps];
          for (int i = 0; i < tile; ++i) {
            const float* const from =
                sums + (((i * tile + j) * panels + panel) * sum_rows + channel) * kLanes;
            Doubles total = widen(load(from));
            for (std::int64_t k = 1; k < count; ++k) total = total + widen(load(from + k * size));
            at[i] = scale(kWeights.at[i] * kWeights.at[j], total);
          }
          Transform::template gather<taps>(at, column);
          for (int i = 0; i < taps; ++i) halves[i][j] = column[i];
        }
        const std::int64_t begin = panel * kLanes;
        for (int i = 0; i < taps; ++i) {
          Doubles row[taps];
          Transform::template gather<taps>(halves[i], row);
          for (int j = 0; j < taps; ++j) {
            store_first(dkernel + ((i * taps + j) * in + channel) * out + begin, narrow(row[j]),
                        smaller(kLanes, out - begin));
          }
        }
      }
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

  static constexpr MinimalFilter table() {
    return {.outputs = outputs,
            .points = points,
            .block = kBlock,
            .filters_size = filters_size,
            .transform_filters = transform_filters,
            .scratch_size = scratch_size,
            .apply = apply,
            .sum_size = sum_size,
            .gradient_scratch_size = gradient_scratch_size,
            .add_gradient = add_gradient,
            .finish_gradient = finish_gradient};
  }
};

constexpr MinimalFilter kFilter3 = Filtering<4, 3>::table();
constexpr MinimalFilter kFilter5 = Filtering<3, 5>::table();
// The kernel's gradient sums over positions, and would round more than it may with F(3, 5).
constexpr MinimalFilter kGradientFilter5 = Filtering<2, 5>::table();

}  // namespace

const MinimalFilter* LAMINA_LEVEL::minimal_filter(std::int64_t taps, bool kernel_gradient) {
  if (taps == 3) return &kFilter3;
  if (taps != 5) return nullptr;
  return kernel_gradient ? &kGradientFilter5 : &kFilter5;
}

}  // namespace lamina::kernels
