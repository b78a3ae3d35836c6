// Minimal filtering with many channels. Compiled once per level, with LAMINA_LEVEL the name of the
// level; see vector.hpp for what may stand here, and minimal_filter.hpp for what the functions do.
//
//   transformed input     [point][group of kGroup channels][tile][kGroup]
//   transformed gradient  [point][panel of kLanes channels][tile][kLanes]
//   filters, sums         [point][panel of the part][in channel][kLanes]
//   products              [point][tile][channel of the part]
//
// So everything that a product reads lies in order, what it reads more than once fits in the
// first-level cache.
#include <lamina/autograd/kernels/levels/filter_square.hpp>
#include <lamina/autograd/kernels/levels/product.hpp>

namespace lamina::kernels {
namespace {

// Channels that lie together, and are summed in one chain: a multiple of kLanes and of kTileRows.
constexpr std::int64_t kGroup = kLanes % kTileRows == 0 ? kLanes : 3 * kLanes;
// Tiles that are summed in one chain.
constexpr std::int64_t kChain = 24;
// Of output channels: as many as a register tile has.
constexpr std::int64_t kPartPanels = 2;

LAMINA_INLINE std::int64_t rows_of(std::int64_t tiles) { return up_to_multiple(tiles, kTileRows); }
LAMINA_INLINE std::int64_t depth_of(std::int64_t channels) {
  return up_to_multiple(channels, kGroup);
}

std::int64_t parts(std::int64_t out_channels) {
  return (panels_of(out_channels) + kPartPanels - 1) / kPartPanels;
}

// Output channels.
struct Part {
  std::int64_t first_panel, last_panel, first, channels;

  LAMINA_INLINE Part(std::int64_t out_channels, std::int64_t part)
      : first_panel(part * kPartPanels),
        last_panel(smaller(first_panel + kPartPanels, panels_of(out_channels))),
        first(first_panel * kLanes),
        channels(smaller(out_channels, last_panel * kLanes) - first) {}
  LAMINA_INLINE std::int64_t panels() const { return last_panel - first_panel; }
};

// Distances between points.
LAMINA_INLINE std::int64_t input_step(std::int64_t tiles, std::int64_t channels) {
  return odd_lines(rows_of(tiles) * depth_of(channels));
}
LAMINA_INLINE std::int64_t gradient_step(std::int64_t tiles, std::int64_t channels) {
  return odd_lines(rows_of(tiles) * panels_of(channels) * kLanes);
}
LAMINA_INLINE std::int64_t filter_step(std::int64_t channels) {
  return odd_lines(kPartPanels * depth_of(channels) * kLanes);
}
LAMINA_INLINE std::int64_t product_step(std::int64_t tiles) {
  return odd_lines(rows_of(tiles) * kPartPanels * kLanes);
}

template <int outputs, int taps>
struct WideFiltering {
  using Squares = SquareTransform<outputs, taps>;
  static constexpr int points = Squares::points;

  static std::int64_t input_size(std::int64_t tiles, std::int64_t channels) {
    return points * input_step(tiles, channels);
  }
  static std::int64_t gradient_size(std::int64_t tiles, std::int64_t channels) {
    return points * gradient_step(tiles, channels);
  }
  static std::int64_t scratch_size(std::int64_t tiles, std::int64_t in_channels) {
    return points * (filter_step(in_channels) + product_step(tiles));
  }
  static std::int64_t sum_size(std::int64_t in_channels) {
    return points * filter_step(in_channels);
  }

  // One tile, its channels in groups of `group`: `to` is its place in the first one.
  template <std::int64_t group, int edge>
  static LAMINA_INLINE void spread(const Square<edge>& square, std::int64_t channels,
                                   std::int64_t rows, float* to, std::int64_t step) {
    for_lanes(channels, [&](auto lanes, std::int64_t channel) {
      Squares::spread(square, channel, lanes, to + channel / group * rows * group + channel % group,
                      step);
    });
  }

  static void spread_input(const FilteringPass& pass, const float* x, const float* zeros,
                           const TileRange& chunk, std::int64_t first, std::int64_t last,
                           float* spectrum) {
    const Grid grid = Squares::grid(pass);
    const std::int64_t step = input_step(chunk.count, pass.in_channels);
    for (std::int64_t i = first; i < last; ++i) {
      spread<kGroup>(Squares::input(pass, x, zeros, grid.place(chunk.first + i)), pass.in_channels,
                     rows_of(chunk.count), spectrum + i * kGroup, step);
    }
  }

  static void spread_gradient(const FilteringPass& pass, const float* dy, const float* zeros,
                              const TileRange& chunk, std::int64_t first, std::int64_t last,
                              float* spectrum) {
    const Grid grid = Squares::grid(pass);
    const std::int64_t step = gradient_step(chunk.count, pass.out_channels);
    for (std::int64_t i = first; i < last; ++i) {
      spread<kLanes>(Squares::output(pass, dy, zeros, grid.place(chunk.first + i)),
                     pass.out_channels, rows_of(chunk.count), spectrum + i * kLanes, step);
    }
  }

  static void apply(const FilteringPass& pass, const KernelView& kernel, const float* spectrum,
                    const TileRange& chunk, std::int64_t index, float* scratch, float* y) {
    const Part part(pass.out_channels, index);
    const std::int64_t in = pass.in_channels;
    const std::int64_t rows = rows_of(chunk.count);
    const std::int64_t width = part.panels() * kLanes;
    const std::int64_t in_step = input_step(chunk.count, in);
    const std::int64_t out_step = product_step(chunk.count);
    float* const filters = scratch;
    float* const products = scratch + points * filter_step(in);
    Squares::transform_kernel(kernel, 0, in, part.first_panel, part.last_panel, filters,
                              filter_step(in), in * kLanes);
    for (int point = 0; point < points; ++point) {
      for (std::int64_t channel = 0; channel < in; channel += kGroup) {
        product(chunk.count, part.panels(), smaller(kGroup, in - channel), kGroup, channel > 0,
                {spectrum + point * in_step + channel * rows, kGroup, 1},
                {filters + point * filter_step(in) + channel * kLanes, in * kLanes, kLanes},
                {products + point * out_step, kLanes, width});
      }
    }
    const Grid grid = Squares::grid(pass);
    const Image image = output_image(pass);
    for (std::int64_t i = 0; i < chunk.count; ++i) {
      const Place at = grid.place(chunk.first + i);
      float* const to = y + at.image * image.size() + part.first;
      for_lanes(part.channels, [&](auto lanes, std::int64_t channel) {
        Squares::collect(products + i * width + channel, out_step, to + channel, lanes, image,
                         at.row * outputs, at.column * outputs);
      });
    }
  }

  static void add_gradient(const FilteringPass& pass, const float* input, const float* gradient,
                           std::int64_t tiles, std::int64_t index, bool add, float* sum) {
    const Part part(pass.out_channels, index);
    const std::int64_t in = pass.in_channels;
    const std::int64_t rows = rows_of(tiles);
    const std::int64_t in_step = input_step(tiles, in);
    const std::int64_t out_step = gradient_step(tiles, pass.out_channels);
    for (int point = 0; point < points; ++point) {
      for (std::int64_t channel = 0; channel < in; channel += kGroup) {
        product(kGroup, part.panels(), tiles, kChain, add,
                {input + point * in_step + channel * rows, 1, kGroup},
                {gradient + point * out_step + part.first * rows, rows * kLanes, kLanes},
                {sum + point * filter_step(in) + channel * kLanes, depth_of(in) * kLanes, kLanes});
      }
    }
  }

  static void finish_gradient(const FilteringPass& pass, std::int64_t index, const float* sum,
                              float* dkernel) {
    const Part part(pass.out_channels, index);
    const std::int64_t in = pass.in_channels;
    for (std::int64_t channel = 0; channel < in; ++channel) {
      for_lanes(part.channels, [&](auto lanes, std::int64_t begin) {
        const float* const own = sum + begin * depth_of(in) + channel * kLanes;
        Vector kernel[taps * taps];
        Squares::collect_kernel(
            [&](int point) __attribute__((always_inline)) {
              const float* const at = own + point * filter_step(in);
              prefetch(at + kAhead * kLanes);
              return widen(load(at));
            },
            kernel);
        float* const to = dkernel + channel * pass.out_channels + part.first + begin;
        for (int tap = 0; tap < taps * taps; ++tap) {
          lanes.store(to + tap * in * pass.out_channels, kernel[tap]);
        }
      });
    }
  }

  static constexpr WideFilter table() {
    return {.outputs = outputs,
            .points = points,
            .parts = parts,
            .input_size = input_size,
            .spread_input = spread_input,
            .scratch_size = scratch_size,
            .apply = apply,
            .gradient_size = gradient_size,
            .spread_gradient = spread_gradient,
            .sum_size = sum_size,
            .add_gradient = add_gradient,
            .finish_gradient = finish_gradient};
  }
};

}  // namespace

constexpr WideFilter LAMINA_LEVEL::wide_filter_3 = WideFiltering<4, 3>::table();
constexpr WideFilter LAMINA_LEVEL::wide_filter_5 = WideFiltering<2, 5>::table();

}  // namespace lamina::kernels
