// Compiled once per level, with LAMINA_LEVEL the name of the level; see vector.hpp for what may
// stand here, and minimal_filter.hpp for what the functions do.
//
//   transformed input   [point][tile of the block][channel]
//   products            [point][tile of the block][channel, up to a multiple of kLanes]
//   filters, sums       [point][panel of kLanes out channels][in channel][kLanes]
#include <lamina/autograd/kernels/levels/filter_square.hpp>
#include <lamina/autograd/kernels/levels/product.hpp>

namespace lamina::kernels {
namespace {

constexpr std::int64_t kBlock = 24;  // a multiple of both kTileRows
// Channels that are summed in one chain: for 64 channels that takes a third off the rounding error
// and costs 5 % of the time.
constexpr std::int64_t kChain = 16;

LAMINA_INLINE std::int64_t padded(std::int64_t channels) { return panels_of(channels) * kLanes; }
LAMINA_INLINE std::int64_t padded_rows(std::int64_t rows) {
  return up_to_multiple(rows, kTileRows);
}
// The distance between two points that each have a block of tiles.
LAMINA_INLINE std::int64_t point_step(std::int64_t channels) {
  return odd_lines(kBlock * channels);
}

// body(channel) for vectors of channels: the last one ends with them, and repeats some of the one
// before.
template <class Body>
LAMINA_INLINE void for_vectors(std::int64_t channels, Body body) {
  for (std::int64_t begin = 0; begin < channels; begin += kLanes) {
    body(smaller(begin, channels - kLanes));
  }
}

template <int outputs, int taps>
struct Filtering {
  using Squares = SquareTransform<outputs, taps>;
  static constexpr int points = Squares::points;

  // What the loops over tiles need, computed once.
  struct Plan {
    Grid tiles;
    std::int64_t in, out;            // channels
    std::int64_t panels, width;      // of the output channels; channels up to whole panels
    std::int64_t in_step, out_step;  // between points

    explicit LAMINA_INLINE Plan(const FilteringPass& pass)
        : tiles(Squares::grid(pass)),
          in(pass.in_channels),
          out(pass.out_channels),
          panels(panels_of(out)),
          width(panels * kLanes),
          in_step(point_step(in)),
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

  static void transform_filters(const KernelView& kernel, std::int64_t first, std::int64_t last,
                                float* filters) {
    const std::int64_t panels = panels_of(kernel.out_channels);
    const std::int64_t in = kernel.in_channels;
    Squares::transform_kernel(kernel, first, last, 0, panels, filters + first * kLanes,
                              in * panels * kLanes, in * kLanes);
  }

  template <int edge>
  static LAMINA_INLINE void spread(const Square<edge>& square, std::int64_t channels, float* to,
                                   std::int64_t step) {
    for_vectors(channels, [&](std::int64_t channel) {
      Squares::spread(square, channel, Full{}, to + channel, step);
    });
  }

  static void apply(const FilteringPass& pass, const float* x, const float* filters,
                    const float* zeros, std::int64_t first, std::int64_t last, float* scratch,
                    float* y) {
    const Plan plan(pass);
    const auto& [tiles, in, out, panels, width, in_step, out_step] = plan;
    const Image image = output_image(pass);
    float* const spectrum = scratch;
    float* const products = scratch + points * in_step;
    for (std::int64_t block = first; block < last; block += kBlock) {
      const std::int64_t count = smaller(kBlock, last - block);
      for (std::int64_t i = 0; i < count; ++i) {
        spread(Squares::input(pass, x, zeros, tiles.place(block + i)), in, spectrum + i * in,
               in_step);
      }
      for (int point = 0; point < points; ++point) {
        product(count, panels, in, kChain, false, {spectrum + point * in_step, in, 1},
                {filters + point * in * width, in * kLanes, kLanes},
                {products + point * out_step, kLanes, width});
      }
      for (std::int64_t i = 0; i < count; ++i) {
        const Place at = tiles.place(block + i);
        for_vectors(out, [&](std::int64_t channel) {
          Squares::collect(products + i * width + channel, out_step,
                           y + at.image * image.size() + channel, Full{}, image, at.row * outputs,
                           at.column * outputs);
        });
      }
    }
  }

  static void sum_gradient(const FilteringPass& pass, const float* x, const float* dy,
                           const float* zeros, std::int64_t first, std::int64_t last,
                           float* scratch, float* sum) {
    const Plan plan(pass);
    const auto& [tiles, in, out, panels, width, in_step, out_step] = plan;
    const std::int64_t sum_rows = padded_rows(in);
    float* const gradient = scratch;
    float* const spectrum = scratch + points * out_step;
    if (first == last) {
      for (std::int64_t i = 0; i < sum_size(in, out); ++i) sum[i] = 0;
    }
    for (std::int64_t block = first; block < last; block += kBlock) {
      const std::int64_t count = smaller(kBlock, last - block);
      for (std::int64_t i = 0; i < count; ++i) {
        const Place at = tiles.place(block + i);
        spread(Squares::input(pass, x, zeros, at), in, spectrum + i * in, in_step);
        spread(Squares::output(pass, dy, zeros, at), out, gradient + i * width, out_step);
      }
      for (int point = 0; point < points; ++point) {
        product(in, panels, count, kBlock, block > first, {spectrum + point * in_step, 1, in},
                {gradient + point * out_step, kLanes, width},
                {sum + point * sum_rows * width, sum_rows * kLanes, kLanes});
      }
    }
  }

  // Rows of `count` sums, added up.
  static LAMINA_INLINE void add_up(const float* rows, std::int64_t size, std::int64_t count,
                                   std::int64_t channels, Doubles* totals) {
    for (std::int64_t i = 0; i < channels; ++i) totals[i] = widen(load(rows + i * kLanes));
    for (std::int64_t k = 1; k < count; ++k) {
      for (std::int64_t i = 0; i < channels; ++i) {
        totals[i] = totals[i] + widen(load(rows + k * size + i * kLanes));
      }
    }
  }

  static void finish_gradient(std::int64_t in, std::int64_t out, const float* sums,
                              std::int64_t count, std::int64_t first, std::int64_t last,
                              float* dkernel) {
    const std::int64_t panels = panels_of(out);
    const std::int64_t sum_rows = padded_rows(in);
    for (std::int64_t group = first; group < last; group += kSumGroup) {
      const std::int64_t channels = smaller(kSumGroup, last - group);
      for (std::int64_t panel = 0; panel < panels; ++panel) {
        Doubles totals[points][kSumGroup];
        for (int point = 0; point < points; ++point) {
          const std::int64_t row = (point * panels + panel) * sum_rows + group;
          add_up(sums + row * kLanes, sum_size(in, out), count, channels, totals[point]);
        }
        for (std::int64_t i = 0; i < channels; ++i) {
          Vector kernel[taps * taps];
          Squares::collect_kernel([&](int point) { return totals[point][i]; }, kernel);
          const std::int64_t begin = panel * kLanes;
          for (int tap = 0; tap < taps * taps; ++tap) {
            store_first(dkernel + (tap * in + group + i) * out + begin, kernel[tap],
                        smaller(kLanes, out - begin));
          }
        }
      }
    }
  }

  static constexpr MinimalFilter table(const WideFilter* wide) {
    return {.outputs = outputs,
            .points = points,
            .block = kBlock,
            .filters_size = filters_size,
            .transform_filters = transform_filters,
            .scratch_size = scratch_size,
            .apply = apply,
            .sum_size = sum_size,
            .gradient_scratch_size = gradient_scratch_size,
            .sum_gradient = sum_gradient,
            .finish_gradient = finish_gradient,
            .wide = wide};
  }
};

constexpr MinimalFilter kFilter3 = Filtering<4, 3>::table(&LAMINA_LEVEL::wide_filter_3);
constexpr MinimalFilter kFilter5 = Filtering<3, 5>::table(&LAMINA_LEVEL::wide_filter_5);
constexpr MinimalFilter kPreciseFilter5 = Filtering<2, 5>::table(&LAMINA_LEVEL::wide_filter_5);

}  // namespace

const MinimalFilter* LAMINA_LEVEL::minimal_filter(std::int64_t taps, bool precise) {
  if (taps == 3) return &kFilter3;
  if (taps != 5) return nullptr;
  return precise ? &kPreciseFilter5 : &kFilter5;
}

}  // namespace lamina::kernels
