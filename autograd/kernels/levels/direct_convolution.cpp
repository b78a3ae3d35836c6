// Compiled once per level, with LAMINA_LEVEL the name of the level; see vector.hpp for what may
// stand here, and direct_convolution.hpp for what the functions do.
//
// Outputs whose windows lie inside the image are taken from one row at a time. At the rim of the
// columns every output has taps of its own: there, and in narrow images, the same place of several
// images makes a tile. So no product with padding is computed, and nothing is copied; only with a
// few channels it is less work to do both.
#include <lamina/autograd/kernels/levels/direct_panel.hpp>

namespace lamina::kernels {
namespace {

// Positions that the gradient sums in one chain, or one row of the output where that is longer: 2
// vectors of dy at each fit in the first-level cache.
constexpr std::int64_t kChain = 256;
// So many values of a window take as long as lines of the outputs that must be waited for.
constexpr std::int64_t kLongWindow = 64;
// Up to so many channels, rows are copied with their padding.
constexpr std::int64_t kFewChannels = 4;
// In the gradient longer runs make fuller tiles; with more channels than these, images must be
// large.
constexpr std::int64_t kFewGradientChannels = 16;

// The input channels from `channel` on of a pass, `depth` of them, and one panel of their kernel.
struct Step {
  const DirectPass& pass;
  const Panel& panel;
  const float* x;
  const float* w;
  std::int64_t channel, depth;
  float* y;

  // Outputs (image, row, column) and the next ones, whose windows begin at distances `step` and
  // which lie at distances `y_step`; all have the same taps.
  LAMINA_INLINE OutputTile tile(std::int64_t image, std::int64_t row, std::int64_t column,
                                DirectRange row_taps, DirectRange taps, std::int64_t step,
                                std::int64_t y_step) const {
    const DirectAxis& rows = pass.rows;
    const DirectAxis& columns = pass.columns;
    const std::int64_t channels = pass.in_channels;
    const std::int64_t in_row = origin(rows, row) + row_taps.first * rows.dilation;
    const std::int64_t in_column = origin(columns, column) + taps.first * columns.dilation;
    const std::int64_t out_row = image * pass.out_rows + rows.first + row * rows.step;
    const std::int64_t out_column = columns.first + column * columns.step;
    const std::int64_t width = panel.vectors * kLanes;
    // Neighbouring taps whose channels are all there are one run.
    const bool joined = columns.dilation == 1 && depth == channels;
    const std::int64_t count = taps.last - taps.first;
    const float* const window =
        x + ((image * rows.in + in_row) * columns.in + in_column) * channels + channel;
    // Where windows do not overlap, the processor does not foresee what the first panel reads.
    const bool dense = panel.first == 0 && rows.taps * columns.taps == 1 && columns.stride == 1;
    return {.x = window,
            .step = step,
            .rows = row_taps.last - row_taps.first,
            .row_step = rows.dilation * columns.in * channels,
            .columns = joined ? 1 : count,
            .column_step = columns.dilation * channels,
            .run = joined ? count * depth : depth,
            .w = w + (row_taps.first * columns.taps + taps.first) * depth * width,
            .w_row_step = columns.taps * depth * width,
            .y = y + (out_row * pass.out_columns + out_column) * pass.out_channels + panel.first,
            .y_step = y_step,
            .add = channel > 0,
            .stream = pass.stream,
            .last_vector = panel.last_vector,
            .ahead = dense ? window + panel.rows() * step : window,
            .ahead_step = dense ? panel.rows() : 0};
  }

  // The first `outputs` of a tile, whose lines arrive while the sums are computed.
  LAMINA_INLINE void compute(std::int64_t outputs, const OutputTile& tile) const {
    if (!tile.stream && tile.rows * tile.columns * tile.run >= kLongWindow) {
      for (std::int64_t i = 0; i < outputs; ++i) {
        for (std::int64_t v = 0; v < panel.vectors; ++v) {
          __builtin_prefetch(tile.y + i * tile.y_step + v * kLanes);
        }
      }
    }
    kOutputTiles[panel.vectors - 1][panel.partial ? 1 : 0].of[outputs - 1](tile);
  }

  LAMINA_INLINE void line(DirectRange images, std::int64_t row) const {
    const DirectAxis& columns = pass.columns;
    const DirectRange row_taps = taps_of(pass.rows, row);
    DirectRange inner = inner_outputs(columns);
    const std::int64_t width = inner.last - inner.first;
    if (width < panel.rows() / 2 && images.last - images.first > width) inner = {0, 0};
    for (std::int64_t image = images.first; image < images.last; ++image) {
      for_parts(inner, panel.rows(), [&](std::int64_t first, std::int64_t last) {
        compute(last - first,
                tile(image, row, first, row_taps, {0, columns.taps},
                     columns.stride * pass.in_channels, columns.step * pass.out_channels));
      });
    }
    rim(images, row, row_taps, {0, inner.first});
    rim(images, row, row_taps, {inner.last, columns.out});
  }

  LAMINA_INLINE void rim(DirectRange images, std::int64_t row, DirectRange row_taps,
                         DirectRange outputs) const {
    for (std::int64_t column = outputs.first; column < outputs.last; ++column) {
      const DirectRange taps = taps_of(pass.columns, column);
      for_parts(images, panel.rows(), [&](std::int64_t first, std::int64_t last) {
        compute(last - first, tile(first, row, column, row_taps, taps,
                                   pass.rows.in * pass.columns.in * pass.in_channels,
                                   pass.out_rows * pass.out_columns * pass.out_channels));
      });
    }
  }
};

// Rows are copied with their padding where that makes the windows of a few channels one run each:
// what is computed for nothing is little, and so is what is copied. Not where windows leave values
// out, or there are none (of an input's gradient): all that lies between them would be copied.
LAMINA_INLINE bool few_channels(const DirectPass& pass, std::int64_t most) {
  const DirectAxis& rows = pass.rows;
  const std::int64_t window = (rows.taps - 1) * rows.dilation + 1;
  return pass.in_channels <= most && pass.columns.dilation == 1 && pass.columns.taps > 1 &&
         pass.columns.stride <= pass.columns.taps && rows.dilation <= rows.in &&
         rows.stride <= window;
}

// Values of an input row, with the padding that the windows of all outputs read.
LAMINA_INLINE std::int64_t padded_row(const DirectPass& pass) {
  const DirectAxis& columns = pass.columns;
  return ((columns.out - 1) * columns.stride + columns.taps) * pass.in_channels;
}

// Values of the padded input rows that so many output rows read.
LAMINA_INLINE std::int64_t padded_rows(const DirectPass& pass, std::int64_t outputs) {
  const DirectAxis& rows = pass.rows;
  return ((outputs - 1) * rows.stride + (rows.taps - 1) * rows.dilation + 1) * padded_row(pass);
}

// Lays the input rows that some output rows read into `padded`, as if no row were missing.
LAMINA_INLINE void pad_rows(const DirectPass& pass, const float* image, DirectRange outputs,
                            float* padded) {
  const DirectAxis& rows = pass.rows;
  const std::int64_t length = padded_row(pass);
  const std::int64_t before = pass.columns.before * pass.in_channels;
  const std::int64_t row_length = pass.columns.in * pass.in_channels;
  const std::int64_t first = clamp(before, 0, length);
  const std::int64_t last = clamp(before + row_length, first, length);
  const std::int64_t top = origin(rows, outputs.first);
  const std::int64_t bottom = origin(rows, outputs.last - 1) + (rows.taps - 1) * rows.dilation;
  for (std::int64_t row = top; row <= bottom; ++row, padded += length) {
    if (row < 0 || row >= rows.in) continue;
    const float* const from = image + row * row_length;
    for (std::int64_t i = 0; i < first; ++i) padded[i] = 0;
    for (std::int64_t i = first; i < last; ++i) padded[i] = from[i - before];
    for (std::int64_t i = last; i < length; ++i) padded[i] = 0;
  }
}

LAMINA_INLINE void apply_blocks(const DirectPass& pass, std::int64_t block, const float* x,
                                const float* packed, DirectRange images, DirectRange rows,
                                float* y) {
  const std::int64_t taps = pass.rows.taps * pass.columns.taps;
  const std::int64_t padded = (pass.out_channels + kLanes - 1) / kLanes * kLanes;
  for (std::int64_t channel = 0; channel < pass.in_channels; channel += block) {
    const std::int64_t depth = smaller(block, pass.in_channels - channel);
    for (std::int64_t out = 0; out < pass.out_channels; out += 2 * kLanes) {
      const Panel panel(pass.out_channels, out);
      const Step step{pass,    panel, x, packed + taps * (channel * padded + out * depth),
                      channel, depth, y};
      for (std::int64_t row = rows.first; row < rows.last; ++row) step.line(images, row);
    }
  }
}

std::int64_t scratch_size(const DirectPass& pass, std::int64_t rows) {
  const DirectRange inner = inner_outputs(pass.columns);
  const bool rimless = inner.last - inner.first == pass.columns.out;
  return few_channels(pass, kFewChannels) && !rimless ? padded_rows(pass, rows) : 0;
}

void apply(const DirectPass& pass, std::int64_t block, const float* x, const float* packed,
           DirectRange images, DirectRange rows, float* scratch, float* y) {
  if (scratch_size(pass, rows.last - rows.first) == 0) {
    apply_blocks(pass, block, x, packed, images, rows, y);
    if (pass.stream) order_stores();
    return;
  }
  DirectPass padded = pass;
  padded.columns.in = padded_row(pass) / pass.in_channels;
  padded.columns.before = 0;
  const std::int64_t image_size = pass.rows.in * pass.columns.in * pass.in_channels;
  const std::int64_t y_size = pass.out_rows * pass.out_columns * pass.out_channels;
  const std::int64_t top = origin(pass.rows, rows.first);
  for (std::int64_t image = images.first; image < images.last; ++image) {
    pad_rows(pass, x + image * image_size, rows, scratch);
    apply_blocks(padded, block, scratch - top * padded_row(pass), packed, {0, 1}, rows,
                 y + image * y_size);
  }
  if (pass.stream) order_stores();
}

// Output rows of one image that are summed in a chain: all of them, or parts of about equal size.
LAMINA_INLINE std::int64_t chain_rows(const DirectPass& pass) {
  const std::int64_t most = clamp(kChain / pass.columns.out, 1, pass.rows.out);
  return divide_up(pass.rows.out, divide_up(pass.rows.out, most));
}

// The gradient takes rows with their padding, one image at a time.
LAMINA_INLINE bool sums_by_rows(const DirectPass& pass) {
  return few_channels(pass, kFewChannels) || (few_channels(pass, kFewGradientChannels) &&
                                              pass.rows.out * pass.columns.out >= kChain / 2);
}

// Values of the output's gradient that a chain reads for one panel.
LAMINA_INLINE std::int64_t panel_size(const DirectPass& pass) {
  return larger(kChain, pass.columns.out) * 2 * kLanes;
}

std::int64_t gradient_scratch_size(const DirectPass& pass) {
  return panel_size(pass) + (sums_by_rows(pass) ? padded_rows(pass, chain_rows(pass)) : 0);
}

// Positions that are summed in one chain: some images, or some output rows of one.
struct Chain {
  const DirectPass& pass;
  DirectRange images, rows, channels;
  std::int64_t x_ahead, dy_ahead;  // distances to what the next chain reads
  const float* dy;                 // of the first position
  float* scratch;                  // for dy of one panel

  LAMINA_INLINE std::int64_t positions() const {
    return (images.last - images.first) * (rows.last - rows.first) * pass.columns.out;
  }

  // What all tiles of a panel read of dy, laid out so that whole vectors are side by side: at
  // distances of a power of two they would compete for few lines of the cache.
  LAMINA_INLINE const float* packed(const Panel& panel) const {
    const std::int64_t width = panel.vectors * kLanes;
    if (width == pass.out_channels) return dy;
    const float* from = dy + panel.first;
    float* to = scratch;
    for (std::int64_t i = positions(); i > 0; --i) {
      if (panel.vectors == 2) store(to, load(from));
      const std::int64_t last = width - kLanes;
      store(to + last, panel.partial ? load(panel.last_vector, from + last) : load(from + last));
      from += pass.out_channels;
      to += width;
    }
    return scratch;
  }

  // All positions of some outputs: x is what the first one of them meets, x_row the distance
  // between two input rows.
  LAMINA_INLINE GradientTile tile(const Panel& panel, const float* x, const float* panel_dy,
                                  DirectRange row_outputs, DirectRange outputs,
                                  std::int64_t x_row) const {
    const std::int64_t width = panel.vectors * kLanes;
    const std::int64_t dy_row = pass.columns.out * width;
    return {.x = x,
            .dy = panel_dy + (row_outputs.first - rows.first) * dy_row + outputs.first * width,
            .images = images.last - images.first,
            .x_image_step = pass.rows.in * pass.columns.in * pass.in_channels,
            .dy_image_step = pass.rows.out * dy_row,
            .rows = row_outputs.last - row_outputs.first,
            .x_row_step = pass.rows.stride * x_row,
            .dy_row_step = dy_row,
            .columns = outputs.last - outputs.first,
            .x_column_step = pass.columns.stride * pass.in_channels,
            .dy_column_step = width};
  }

  // `first_tap`: nobody has asked yet for what comes next.
  LAMINA_INLINE void add(const Panel& panel, bool first_tap, GradientTile tile,
                         std::int64_t entries, float* sum, std::int64_t padded) const {
    if (tile.rows == 0 || tile.columns == 0) return;
    const float* const x = tile.x;
    const std::int64_t next_panel = panel.first + 2 * kLanes;
    tile.sum_step = padded;
    tile.x_ahead = panel.first == 0 ? x_ahead : 0;
    tile.ahead = next_panel < pass.out_channels ? dy + next_panel : dy + dy_ahead;
    for_parts({0, entries}, panel.rows(), [&](std::int64_t first, std::int64_t last) {
      tile.x = x + first;
      tile.sum = sum + first * padded + panel.first;
      tile.ahead_step = first_tap && first == 0 ? pass.out_channels : 0;
      kGradientTiles[panel.vectors - 1].of[last - first - 1](tile);
    });
  }

  // From rows with their padding: all taps of a kernel row at once.
  LAMINA_INLINE void add_rows(const Panel& panel, const float* padded_rows, const float* panel_dy,
                              float* sum, std::int64_t padded) const {
    const std::int64_t length = padded_row(pass);
    const std::int64_t top = origin(pass.rows, rows.first);
    const std::int64_t entries = pass.columns.taps * pass.in_channels;
    for (std::int64_t tap = 0; tap < pass.rows.taps; ++tap) {
      const DirectRange row_outputs = outputs_of(pass.rows, tap, rows);
      const std::int64_t in_row =
          origin(pass.rows, row_outputs.first) + tap * pass.rows.dilation - top;
      add(panel, tap == 0,
          tile(panel, padded_rows + in_row * length, panel_dy, row_outputs, {0, pass.columns.out},
               length),
          entries, sum + tap * entries * padded, padded);
    }
  }

  LAMINA_INLINE void add_taps(const Panel& panel, const float* x, const float* panel_dy, float* sum,
                              std::int64_t padded) const {
    const DirectAxis& columns = pass.columns;
    const std::int64_t x_row = columns.in * pass.in_channels;
    const std::int64_t entries = channels.last - channels.first;
    for (std::int64_t tap = 0; tap < pass.rows.taps * columns.taps; ++tap) {
      const std::int64_t row_tap = tap / columns.taps;
      const std::int64_t column_tap = tap % columns.taps;
      const DirectRange row_outputs = outputs_of(pass.rows, row_tap, rows);
      const DirectRange outputs = outputs_of(columns, column_tap, {0, columns.out});
      const std::int64_t in_row =
          origin(pass.rows, row_outputs.first) + row_tap * pass.rows.dilation;
      const std::int64_t in_column = origin(columns, outputs.first) + column_tap * columns.dilation;
      const float* const from = x + (images.first * pass.rows.in + in_row) * x_row +
                                in_column * pass.in_channels + channels.first;
      add(panel, tap == 0, tile(panel, from, panel_dy, row_outputs, outputs, x_row), entries,
          sum + tap * entries * padded, padded);
    }
  }
};

void add_gradient(const DirectPass& pass, const float* x, const float* dy, DirectRange images,
                  DirectRange rows, DirectRange channels, float* scratch, float* sum) {
  const std::int64_t padded = (pass.out_channels + kLanes - 1) / kLanes * kLanes;
  const std::int64_t image_size = pass.rows.in * pass.columns.in * pass.in_channels;
  const bool by_rows = sums_by_rows(pass) && channels.last - channels.first == pass.in_channels;
  const std::int64_t positions = (rows.last - rows.first) * pass.columns.out;
  const std::int64_t image_step = by_rows ? 1 : larger(1, kChain / positions);
  const std::int64_t row_step = chain_rows(pass);
  const bool whole_images = row_step >= rows.last - rows.first;
  const std::int64_t x_rows =
      whole_images ? image_step * pass.rows.in : row_step * pass.rows.stride;
  const std::int64_t dy_rows = whole_images ? image_step * pass.rows.out : row_step;
  const std::int64_t dy_row = pass.columns.out * pass.out_channels;
  float* const padded_x = scratch + panel_size(pass);
  for (std::int64_t image = images.first; image < images.last; image += image_step) {
    for (std::int64_t row = rows.first; row < rows.last; row += row_step) {
      const Chain chain{pass,
                        {image, smaller(images.last, image + image_step)},
                        {row, smaller(rows.last, row + row_step)},
                        channels,
                        by_rows ? 0 : x_rows * pass.columns.in * pass.in_channels,
                        dy_rows * dy_row,
                        dy + (image * pass.rows.out + row) * dy_row,
                        scratch};
      if (by_rows) pad_rows(pass, x + image * image_size, chain.rows, padded_x);
      for (std::int64_t out = 0; out < pass.out_channels; out += 2 * kLanes) {
        const Panel panel(pass.out_channels, out);
        const float* const panel_dy = chain.packed(panel);
        if (by_rows) {
          chain.add_rows(panel, padded_x, panel_dy, sum, padded);
        } else {
          chain.add_taps(panel, x, panel_dy, sum, padded);
        }
      }
    }
  }
}

constexpr DirectConvolution kTable{.lanes = kLanes,
                                   .positions = most_rows(2),
                                   .scratch_size = scratch_size,
                                   .apply = apply,
                                   .gradient_scratch_size = gradient_scratch_size,
                                   .add_gradient = add_gradient};

}  // namespace

const DirectConvolution* LAMINA_LEVEL::direct_convolution() { return &kTable; }

}  // namespace lamina::kernels
