#include <algorithm>
#include <lamina/autograd/kernels/line_filtering.hpp>
#include <lamina/autograd/kernels/minimal_filtering.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {

namespace {

constexpr std::int64_t kFloatBytes = sizeof(float);
constexpr std::int64_t kMostChannels = 15;
// Multiply-adds that are worth a job of their own.
constexpr std::int64_t kJobProduct = std::int64_t{1} << 18;
// Of the input of a band of rows at every point, which every panel of output channels reads.
constexpr std::int64_t kBandBytes = std::int64_t{1} << 16;
constexpr std::int64_t kFewestRows = 8;  // of a band: its neighbours transform some rows of it, too
constexpr std::int64_t kSums = 16;       // of the kernel's gradient
// F(4, 5) rounds more than it may where most tiles are at a rim of the image, whose direct sums are short.
constexpr std::int64_t kSmallestImage5 = 12;
// A larger output leaves the caches before anybody reads it.
constexpr std::int64_t kStreamBytes = std::int64_t{1} << 24;
constexpr std::int64_t kLineFloats = 16;

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

bool past_caches(const FilteringPass& pass, const float* y) {
  return pass.images * output_size(pass) * kFloatBytes >= kStreamBytes &&
         pass.out_channels % kLineFloats == 0 &&
         reinterpret_cast<std::uintptr_t>(y) % (kLineFloats * kFloatBytes) == 0;
}

}  // namespace

const LineFilter* line_filter(const ConvolutionSize& size, InstructionSet level) {
  const auto covers = [](const WindowAxis& axis) { return axis.stride == 1 && axis.dilation == 1; };
  const bool something = std::min({size.images, size.rows.in, size.columns.in, size.rows.out,
                                   size.columns.out, size.in_channels, size.out_channels}) > 0;
  if (!something || !covers(size.rows) || !covers(size.columns) || size.groups != 1 ||
      size.rows.kernel != size.columns.kernel || size.in_channels > kMostChannels) {
    return nullptr;
  }
  switch (level) {
#if defined(__x86_64__)
    case InstructionSet::avx512:
      return avx512::line_filter(size.rows.kernel);
    case InstructionSet::avx2:
      return avx2::line_filter(size.rows.kernel);
#endif
    default:
      return nullptr;
  }
}

const LineFilter* faster_line_filter(const ConvolutionSize& size, ConvolutionPass pass) {
  const InstructionSet level = instruction_set();
  const LineFilter* const filter = line_filter(size, level);
  if (filter == nullptr || pass == ConvolutionPass::input_gradient) return nullptr;
  const std::int64_t taps = size.columns.kernel;
  if (taps == 5 && std::min(size.rows.out, size.columns.out) < kSmallestImage5) return nullptr;
  // To transform the output's gradient costs what half of the products cost.
  if (taps == 3 && pass == ConvolutionPass::weight_gradient && level == InstructionSet::avx512) {
    return nullptr;
  }
  // The last tile of a row may be mostly outside the image.
  const std::int64_t columns = size.columns.out;
  const std::int64_t covered = (columns + filter->outputs - 1) / filter->outputs * filter->outputs;
  return 5 * covered <= 6 * columns ? filter : nullptr;
}

void line_filtering(const LineFilter& filter, const ConvolutionSize& size, const float* x,
                    const float* kernel, float* y) {
  const FilteringPass pass = filtering_pass(size, ConvolutionPass::forward);
  Scratch<float> filters(filter.filters_size(pass.in_channels, pass.out_channels));
  filter.transform_filters(pass, kernel, filters.data());
  const Bands bands(filter, pass);
  const bool past = past_caches(pass, y);
  parallel_for(bands.jobs, [&](std::int64_t job) {
    Scratch<float> scratch(filter.scratch_size(pass, bands.longest));
    bands.for_each(job, bands.jobs, [&](std::int64_t image, const RowRange& rows) {
      filter.apply(pass, image_of(pass, x, image), filters.data(), rows, past, scratch.data(),
                   y + image * output_size(pass));
    });
  });
}

void line_filtering_gradient(const LineFilter& filter, const ConvolutionSize& size, const float* x,
                             const float* dy, float* dkernel) {
  const FilteringPass pass = filtering_pass(size, ConvolutionPass::weight_gradient);
  const Bands bands(filter, pass);
  const std::int64_t sums = std::min(bands.jobs, kSums);
  const std::int64_t sum_size = filter.filters_size(pass.in_channels, pass.out_channels);
  Scratch<float> sum(sums * sum_size);
  parallel_for(sums, [&](std::int64_t job) {
    float* const own = sum.data() + job * sum_size;
    std::fill_n(own, sum_size, 0.0F);
    Scratch<float> scratch(filter.gradient_scratch_size(pass, bands.longest));
    bands.for_each(job, sums, [&](std::int64_t image, const RowRange& rows) {
      filter.add_gradient(pass, image_of(pass, x, image), dy + image * output_size(pass), rows,
                          scratch.data(), own);
    });
  });
  filter.finish_gradient(pass, sum.data(), sums, dkernel);
}

}  // namespace lamina::kernels
