#include <algorithm>
#include <lamina/autograd/kernels/levels/line_filter.hpp>
#include <lamina/autograd/kernels/minimal_filtering.hpp>
#include <lamina/autograd/kernels/of_level.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/kernels/wide_filtering.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <utility>

namespace lamina::kernels {

namespace {

// Blocks of tiles are transformed by whole vectors of channels.
constexpr std::int64_t kShortVector = float_lanes(InstructionSet::avx2);
constexpr std::int64_t kLongVector = float_lanes(InstructionSet::avx512);
// Products that are not with padding, in percent, at least: direct sums would be short. Few
// channels make them short, too.
constexpr std::int64_t kLeastInside = 50, kLeastInsideFew = 85;
// Below, the transform of the kernel costs what the products save.
constexpr std::int64_t kFewestTiles = 48;
// Where the kernel at all points, or the sums of its gradient, leave the caches: products of
// numbers of channels, and the smaller of the two, from which wide_filtering.hpp is faster.
constexpr std::int64_t kManyPairs = std::int64_t{1} << 17;
constexpr std::int64_t kManyChannels = 256;
constexpr std::int64_t kManyGradientPairs = std::int64_t{1} << 16;
constexpr std::int64_t kManyGradientChannels = 96;
constexpr std::int64_t kMostWidePairs = std::int64_t{1} << 20;  // measured up to 1024 by 1024
// With few channels on one side, and so for every block of tiles from memory.
constexpr std::int64_t kMostPairs = std::int64_t{1} << 18;
constexpr std::int64_t kMostGradientPairs = std::int64_t{1} << 16;
// F(3, 5) rounds more than it may where many channels are summed, or where most tiles are at a rim
// of the image, whose direct sums are short; and in the kernel's gradient, which sums over
// positions.
constexpr std::int64_t kMostChannels5 = 128;
constexpr std::int64_t kSmallestImage5 = 13;
constexpr std::int64_t kSmallestPrecise5 = 5;  // below, F(2, 5) comes close to the limit, too
// Multiply-adds that are worth a job of their own.
constexpr std::int64_t kJobProduct = std::int64_t{1} << 20;
constexpr std::int64_t kMostJobs = 64;
// What a value at a point costs: to transform it, and to read it from memory; in multiply-adds.
constexpr std::int64_t kTransformCost = 64, kReadCost = 16;
constexpr std::int64_t kWeightBlocks = 16;
constexpr std::int64_t kWeightBlockTiles = 128;            // fewer are not worth a sum of their own
constexpr std::int64_t kSumBytes = std::int64_t{1} << 26;  // of all weight blocks together

// With fewer than 16 channels on one side, whether vectors of 8 are faster than the other methods
// with all the vectors that there are.
bool pays_by_short_vectors(const FilteringPass& run, std::int64_t taps, ConvolutionPass pass) {
  const bool longer = instruction_set() == InstructionSet::avx512;
  const bool fills_one = run.out_channels == kShortVector;
  const bool fills_two = std::max(run.in_channels, run.out_channels) >= kLongVector;
  if (taps != 3) return false;  // F(3, 5) would round too much
  if (pass == ConvolutionPass::weight_gradient) return fills_two && (fills_one || !longer);
  if (!longer || run.in_channels > kMostLineChannels) return true;
  return fills_one && (run.in_channels == kShortVector || fills_two);
}

bool has_many_channels(std::int64_t in, std::int64_t out, bool kernel_gradient) {
  return in * out >= (kernel_gradient ? kManyGradientPairs : kManyPairs) &&
         std::min(in, out) >= (kernel_gradient ? kManyGradientChannels : kManyChannels);
}

std::int64_t most_pairs(std::int64_t in, std::int64_t out, bool kernel_gradient) {
  if (has_many_channels(in, out, kernel_gradient)) return kMostWidePairs;
  return kernel_gradient ? kMostGradientPairs : kMostPairs;
}

// Blocks of tiles, shared out to jobs: job i has tiles [first(i), first(i + 1)).
struct Jobs {
  Jobs(const MinimalFilter& filter, const FilteringPass& pass, std::int64_t most)
      : tiles(filtering_tiles(pass, filter.outputs)),
        block(filter.block),
        blocks((tiles + block - 1) / block),
        count(std::clamp<std::int64_t>(std::min(blocks, tiles * filter.points * pass.in_channels *
                                                            pass.out_channels / kJobProduct),
                                       1, most)) {}

  std::int64_t first(std::int64_t job) const {
    return std::min(tiles, blocks * job / count * block);
  }

  std::int64_t tiles, block, blocks, count;
};

// Input channels in parts of whole groups that are worth a job: body(first, last). A channel costs
// so many multiply-adds.
template <class Body>
void for_channels(std::int64_t channels, std::int64_t group, std::int64_t cost, Body&& body) {
  const std::int64_t groups = (channels + group - 1) / group;
  const std::int64_t jobs =
      std::clamp<std::int64_t>(std::min(groups, channels * cost / kJobProduct), 1, kMostJobs);
  const auto first = [&](std::int64_t job) {
    return std::min(channels, groups * job / jobs * group);
  };
  parallel_for(jobs, [&](std::int64_t job) { body(first(job), first(job + 1)); });
}

void run(const MinimalFilter& filter, const FilteringPass& pass, const float* x,
         const KernelView& kernel, float* y) {
  if (has_many_channels(pass.in_channels, pass.out_channels, false)) {
    return wide_filtering(*filter.wide, pass, x, kernel, y);
  }
  Scratch<float> filters(filter.filters_size(pass.in_channels, pass.out_channels));
  for_channels(pass.in_channels, kLongVector, pass.out_channels * filter.points * kTransformCost,
               [&](std::int64_t first, std::int64_t last) {
                 filter.transform_filters(kernel, first, last, filters.data());
               });
  const Zeros outside(pass.in_channels);
  const Jobs jobs(filter, pass, kMostJobs);
  parallel_for(jobs.count, [&](std::int64_t job) {
    Scratch<float> scratch(filter.scratch_size(pass));
    filter.apply(pass, x, filters.data(), outside.data(), jobs.first(job), jobs.first(job + 1),
                 scratch.data(), y);
  });
}

}  // namespace

FilteringPass filtering_pass(const ConvolutionSize& size, ConvolutionPass pass) {
  const FilteringPass forward{.images = size.images,
                              .in_rows = size.rows.in,
                              .in_columns = size.columns.in,
                              .in_channels = size.in_channels,
                              .out_rows = size.rows.out,
                              .out_columns = size.columns.out,
                              .out_channels = size.out_channels,
                              .above = size.rows.before,
                              .left = size.columns.before};
  if (pass != ConvolutionPass::input_gradient) return forward;
  FilteringPass turned = forward;
  std::swap(turned.in_rows, turned.out_rows);
  std::swap(turned.in_columns, turned.out_columns);
  std::swap(turned.in_channels, turned.out_channels);
  turned.above = size.rows.kernel - 1 - size.rows.before;
  turned.left = size.columns.kernel - 1 - size.columns.before;
  return turned;
}

std::int64_t filtering_tiles(const FilteringPass& pass, std::int64_t outputs) {
  const auto along = [&](std::int64_t extent) { return (extent + outputs - 1) / outputs; };
  return pass.images * along(pass.out_rows) * along(pass.out_columns);
}

std::int64_t products_inside(const ConvolutionSize& size) {
  const auto along = [](const WindowAxis& axis) {
    std::int64_t count = 0;
    for (std::int64_t tap = 0; tap < axis.kernel; ++tap) {
      const auto [first, last] = axis.positions(tap);
      count += last - first;
    }
    return count;
  };
  return along(size.rows) * along(size.columns);
}

const MinimalFilter* minimal_filter(const ConvolutionSize& size, ConvolutionPass pass,
                                    InstructionSet level) {
  const auto covers = [](const WindowAxis& axis) { return axis.stride == 1 && axis.dilation == 1; };
  if (!covers(size.rows) || !covers(size.columns) || size.rows.kernel != size.columns.kernel ||
      size.groups != 1 || std::min(size.in_channels, size.out_channels) < float_lanes(level)) {
    return nullptr;
  }
  const FilteringPass run = filtering_pass(size, pass);
  [[maybe_unused]] const bool precise = pass == ConvolutionPass::weight_gradient ||
                                        run.in_channels > kMostChannels5 ||
                                        std::min(run.out_rows, run.out_columns) < kSmallestImage5;
  return LAMINA_OF_LEVEL(level, minimal_filter(size.rows.kernel, precise));
}

const MinimalFilter* faster_minimal_filter(const ConvolutionSize& size, ConvolutionPass pass) {
  const bool few = std::min(size.in_channels, size.out_channels) < kLongVector;
  const InstructionSet level =
      few ? std::min(instruction_set(), InstructionSet::avx2) : instruction_set();
  const MinimalFilter* const filter = minimal_filter(size, pass, level);
  const std::int64_t most =
      most_pairs(size.in_channels, size.out_channels, pass == ConvolutionPass::weight_gradient);
  if (filter == nullptr || size.in_channels * size.out_channels > most) return nullptr;
  const FilteringPass run = filtering_pass(size, pass);
  if (few && !pays_by_short_vectors(run, size.rows.kernel, pass)) return nullptr;
  if (size.rows.kernel == 5 && std::min(run.out_rows, run.out_columns) < kSmallestPrecise5) {
    return nullptr;
  }
  const std::int64_t products =
      run.out_rows * run.out_columns * size.rows.kernel * size.columns.kernel;
  const std::int64_t least = few ? kLeastInsideFew : kLeastInside;
  if (100 * products_inside(size) < least * products) return nullptr;
  const std::int64_t tiles = filtering_tiles(run, filter->outputs);
  // The transforms must be saved by the products: small images leave much of their tiles unused.
  return tiles < kFewestTiles || 2 * tiles * filter->points > run.images * products ? nullptr
                                                                                    : filter;
}

void filtered_convolution(const MinimalFilter& filter, const ConvolutionSize& size, const float* x,
                          const float* kernel, float* y) {
  run(filter, filtering_pass(size, ConvolutionPass::forward), x,
      {kernel, size.in_channels, size.out_channels, false}, y);
}

void filtered_input_gradient(const MinimalFilter& filter, const ConvolutionSize& size,
                             const float* dy, const float* kernel, float* dx) {
  run(filter, filtering_pass(size, ConvolutionPass::input_gradient), dy,
      {kernel, size.out_channels, size.in_channels, true}, dx);
}

void filtered_weight_gradient(const MinimalFilter& filter, const ConvolutionSize& size,
                              const float* x, const float* dy, float* dkernel) {
  const FilteringPass pass = filtering_pass(size, ConvolutionPass::weight_gradient);
  const std::int64_t in = pass.in_channels;
  const std::int64_t out = pass.out_channels;
  if (has_many_channels(in, out, true)) {
    return wide_filtering_gradient(*filter.wide, pass, x, dy, dkernel);
  }
  const std::int64_t sum_size = filter.sum_size(in, out);
  const std::int64_t affordable =
      std::max<std::int64_t>(1, kSumBytes / (sum_size * std::int64_t{sizeof(float)}));
  const std::int64_t worth =
      std::max<std::int64_t>(1, filtering_tiles(pass, filter.outputs) / kWeightBlockTiles);
  const Jobs jobs(filter, pass, std::min({kWeightBlocks, affordable, worth}));
  const Zeros outside(std::max(in, out));
  Scratch<float> sums(jobs.count * sum_size);
  parallel_for(jobs.count, [&](std::int64_t job) {
    float* const sum = sums.data() + job * sum_size;
    Scratch<float> scratch(filter.gradient_scratch_size(pass));
    filter.sum_gradient(pass, x, dy, outside.data(), jobs.first(job), jobs.first(job + 1),
                        scratch.data(), sum);
  });
  for_channels(in, kSumGroup, out * filter.points * (kTransformCost + jobs.count * kReadCost),
               [&](std::int64_t first, std::int64_t last) {
                 filter.finish_gradient(in, out, sums.data(), jobs.count, first, last, dkernel);
               });
}

}  // namespace lamina::kernels
