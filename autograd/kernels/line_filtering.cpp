#include <algorithm>
#include <lamina/autograd/kernels/line_filtering.hpp>
#include <lamina/autograd/kernels/minimal_filtering.hpp>
#include <lamina/autograd/kernels/of_level.hpp>
#include <lamina/autograd/kernels/past_caches.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {

namespace {

constexpr std::int64_t kFloatBytes = sizeof(float);
// From so many in and out, minimal filtering of squares is faster.
constexpr std::int64_t kManyChannels = 16;
// Below, to transform a kernel that is turned around costs what the products save.
constexpr std::int64_t kFewestTiles = 64;
// Multiply-adds that are worth a job of their own.
constexpr std::int64_t kJobProduct = std::int64_t{1} << 19;
// Of the input of a band of rows at every point, which every panel of output channels reads.
constexpr std::int64_t kBandBytes = std::int64_t{1} << 16;
constexpr std::int64_t kFewestRows = 8;  // of a band: its neighbours transform some rows of it, too
constexpr std::int64_t kSums = 16;       // of the kernel's gradient
// Output positions whose sums are added up before they are added to those of others: one long chain
// would round more.
constexpr std::int64_t kBlockPositions = 1024;
// F(4, 5) rounds more than it may where most tiles are at a rim of the image, whose direct sums are
// short.
constexpr std::int64_t kSmallestOutput5 = 12;
constexpr std::int64_t kFewestResults5 = 4;
// A larger output leaves the caches before anybody reads it.
constexpr std::int64_t kStreamBytes = std::int64_t{1} << 24;

// Bands of output rows, those of all images numbered through.
struct Bands {
  Bands(const LineFilter& filter, const FilteringPass& pass) : rows(pass.out_rows) {
    const std::int64_t tiles = (pass.out_columns + filter.outputs - 1) / filter.outputs;
    const std::int64_t row_bytes = tiles * pass.in_channels * filter.points * kFloatBytes;
    const std::int64_t most = std::max(kFewestRows, kBandBytes / row_bytes);
    per_image = (rows + most - 1) / most;
    count = pass.images * per_image;
    longest = (rows + per_image - 1) / per_image;
    const std::int64_t work = pass.images * rows * pass.out_columns * pass.in_channels *
                              pass.out_channels * filter.points;
    jobs = std::clamp<std::int64_t>(work / kJobProduct, 1, count);
  }

  // body(image, rows) for part `part` of `parts` of all bands.
  template <class Body>
  void for_each(std::int64_t part, std::int64_t parts, Body&& body) const {
    for (std::int64_t band = count * part / parts; band < count * (part + 1) / parts; ++band) {
      const std::int64_t i = band % per_image;
      body(band / per_image, RowRange{rows * i / per_image, rows * (i + 1) / per_image});
    }
  }

  std::int64_t rows, per_image, count, longest, jobs;
};

const float* image_of(const FilteringPass& pass, const float* x, std::int64_t image) {
  return x + image * pass.in_rows * pass.in_columns * pass.in_channels;
}

std::int64_t output_size(const FilteringPass& pass) {
  return pass.out_rows * pass.out_columns * pass.out_channels;
}

bool streams(const FilteringPass& pass, const float* y) {
  return pass.images * output_size(pass) * kFloatBytes >= kStreamBytes &&
         whole_lines(y, pass.out_channels);
}

void convolve(const LineFilter& filter, const FilteringPass& pass, const float* x,
              const KernelView& kernel, float* y) {
  Scratch<float> filters(filter.filters_size(pass.in_channels, pass.out_channels));
  filter.transform_filters(kernel, filters.data());
  const Bands bands(filter, pass);
  const bool past = streams(pass, y);
  parallel_for(bands.jobs, [&](std::int64_t job) {
    Scratch<float> scratch(filter.scratch_size(pass, bands.longest));
    bands.for_each(job, bands.jobs, [&](std::int64_t image, const RowRange& rows) {
      filter.apply(pass, image_of(pass, x, image), filters.data(), rows, past, scratch.data(),
                   y + image * output_size(pass));
    });
  });
}

}  // namespace

const LineFilter* line_filter(const ConvolutionSize& size, ConvolutionPass pass,
                              InstructionSet level) {
  const auto covers = [](const WindowAxis& axis) { return axis.stride == 1 && axis.dilation == 1; };
  const FilteringPass run = filtering_pass(size, pass);
  const bool something = std::min({run.images, run.in_rows, run.in_columns, run.out_rows,
                                   run.out_columns, run.in_channels, run.out_channels}) > 0;
  if (!something || !covers(size.rows) || !covers(size.columns) || size.groups != 1 ||
      size.rows.kernel != size.columns.kernel || run.in_channels > kMostLineChannels) {
    return nullptr;
  }
  return LAMINA_OF_LEVEL(level, line_filter(size.rows.kernel));
}

const LineFilter* faster_line_filter(const ConvolutionSize& size, ConvolutionPass pass) {
  const InstructionSet level = instruction_set();
  const LineFilter* const filter = line_filter(size, pass, level);
  if (filter == nullptr || std::min(size.in_channels, size.out_channels) >= kManyChannels) {
    return nullptr;
  }
  const FilteringPass run = filtering_pass(size, pass);
  const std::int64_t taps = size.columns.kernel;
  if (taps == 5 && std::min(run.out_rows, run.out_columns) < kSmallestOutput5) return nullptr;
  // Results of so few channels are products of matrices otherwise, which round less.
  if (taps == 5 && run.out_channels < kFewestResults5) return nullptr;
  if (2 * products_inside(size) < run.out_rows * run.out_columns * taps * taps) return nullptr;
  // To transform the output's gradient costs what half of the products cost.
  if (taps == 3 && pass == ConvolutionPass::weight_gradient &&
      (level == InstructionSet::avx512 ||
       run.out_channels < 2 * float_lanes(InstructionSet::avx2))) {
    return nullptr;
  }
  const std::int64_t tiles = (run.out_columns + filter->outputs - 1) / filter->outputs;
  if (pass == ConvolutionPass::input_gradient && run.images * run.out_rows * tiles < kFewestTiles) {
    return nullptr;
  }
  // The last tile of a row may be mostly outside the image.
  return 5 * tiles * filter->outputs <= 6 * run.out_columns ? filter : nullptr;
}

void line_convolution(const LineFilter& filter, const ConvolutionSize& size, const float* x,
                      const float* kernel, float* y) {
  convolve(filter, filtering_pass(size, ConvolutionPass::forward), x,
           {kernel, size.in_channels, size.out_channels, false}, y);
}

void line_input_gradient(const LineFilter& filter, const ConvolutionSize& size, const float* dy,
                         const float* kernel, float* dx) {
  convolve(filter, filtering_pass(size, ConvolutionPass::input_gradient), dy,
           {kernel, size.out_channels, size.in_channels, true}, dx);
}

void line_weight_gradient(const LineFilter& filter, const ConvolutionSize& size, const float* x,
                          const float* dy, float* dkernel) {
  const FilteringPass pass = filtering_pass(size, ConvolutionPass::weight_gradient);
  const Bands bands(filter, pass);
  const std::int64_t sums = std::min(bands.jobs, kSums);
  const std::int64_t sum_size = filter.filters_size(pass.in_channels, pass.out_channels);
  Scratch<float> sum(sums * sum_size);
  parallel_for(sums, [&](std::int64_t job) {
    float* const total = sum.data() + job * sum_size;
    std::fill_n(total, sum_size, 0.0F);
    Scratch<float> scratch(filter.gradient_scratch_size(pass, bands.longest));
    Zeros block(sum_size);
    std::int64_t positions = 0;
    const auto add_block = [&] {
      for (std::int64_t i = 0; i < sum_size; ++i) total[i] += block.data()[i];
      std::fill_n(block.data(), sum_size, 0.0F);
      positions = 0;
    };
    bands.for_each(job, sums, [&](std::int64_t image, const RowRange& rows) {
      filter.add_gradient(pass, image_of(pass, x, image), dy + image * output_size(pass), rows,
                          scratch.data(), block.data());
      positions += (rows.last - rows.first) * pass.out_columns;
      if (positions >= kBlockPositions) add_block();
    });
    add_block();
  });
  filter.finish_gradient(pass.in_channels, pass.out_channels, sum.data(), sums, dkernel);
}

}  // namespace lamina::kernels
