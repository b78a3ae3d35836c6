#include <algorithm>
#include <lamina/autograd/kernels/direct_convolution.hpp>
#include <lamina/autograd/kernels/of_level.hpp>
#include <lamina/autograd/kernels/past_caches.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <numeric>

namespace lamina::kernels {

namespace {

constexpr std::int64_t kFloatBytes = sizeof(float);
// Products that are summed before they are added to the output: the part of a panel of the kernel
// that every tile reads stays in the second-level cache, and short chains round less.
constexpr std::int64_t kChain = 640;
constexpr std::int64_t kFewestChainChannels = 16;
// Multiply-adds that are worth a job of their own.
constexpr std::int64_t kJobProduct = std::int64_t{1} << 19;
// Of the outputs of a job, which are passed over once per panel and block of channels.
constexpr std::int64_t kJobBytes = std::int64_t{1} << 16;
// Smaller outputs are read again from the third-level cache by what comes next; those of an image
// of few colours are most of what is moved, and stay there while they can.
constexpr std::int64_t kStreamBytes = std::int64_t{1} << 22, kStreamColourBytes = kStreamBytes << 2;
constexpr std::int64_t kColours = 4;
constexpr std::int64_t kPackedValues = std::int64_t{1} << 15;  // worth a job of their own
constexpr std::int64_t kWeightJobs = 16;
constexpr std::int64_t kFewestSummed = 1024;  // positions that are worth a sum of their own
constexpr std::int64_t kSumBytes = std::int64_t{1} << 19;  // of a job: half of a second-level cache

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Part i of `parts` of nearly equal size.
DirectRange part(std::int64_t count, std::int64_t parts, std::int64_t i) {
  return {count * i / parts, count * (i + 1) / parts};
}

// An axis of a pass, and the taps of the kernel that it uses: first, first + step, ...
struct Walk {
  DirectAxis axis;
  std::int64_t first_tap, tap_step;
};

Walk forward_walk(const WindowAxis& axis) {
  return {{axis.in, axis.out, axis.kernel, axis.stride, axis.dilation, axis.before}, 0, 1};
}

// The gradient of input positions phase, phase + stride, ...: position phase + q stride meets tap a
// of output q + (phase + before - a dilation) / stride, where that is a whole number. From the last
// such tap to the first one, the outputs go up in equal steps.
Walk gradient_walk(const WindowAxis& axis, std::int64_t phase) {
  const std::int64_t common = std::gcd(axis.stride, axis.dilation);
  const std::int64_t tap_step = axis.stride / common;
  const auto distance = [&](std::int64_t tap) { return phase + axis.before - tap * axis.dilation; };
  std::int64_t last = axis.kernel - 1;
  while (last >= 0 && distance(last) % axis.stride != 0) --last;
  return {{.in = axis.out,
           .out = divide_up(axis.in - phase, axis.stride),
           .taps = last < 0 ? 0 : last / tap_step + 1,
           .stride = 1,
           .dilation = axis.dilation / common,
           .before = last < 0 ? 0 : -(distance(last) / axis.stride),
           .first = phase,
           .step = axis.stride},
          last,
          -tap_step};
}

// A kernel (rows, columns, in, out), or turned (rows, columns, out, in).
struct Kernel {
  const float* values;
  std::int64_t columns;
  bool turned;
};

// The taps of a pass as DirectConvolution::apply reads them.
class PackedKernel {
 public:
  PackedKernel(const DirectConvolution& direct, const DirectPass& pass, const Walk& rows,
               const Walk& columns, const Kernel& kernel)
      : taps_(rows.axis.taps * columns.axis.taps),
        block_(block_of(taps_, pass.in_channels)),
        padded_(divide_up(pass.out_channels, direct.lanes) * direct.lanes),
        values_(taps_ * pass.in_channels * padded_) {
    const std::int64_t width = 2 * direct.lanes;
    const std::int64_t panels = divide_up(padded_, width);
    const std::int64_t jobs =
        std::clamp<std::int64_t>(taps_ * pass.in_channels * padded_ / kPackedValues, 1, panels);
    parallel_for(jobs, [&](std::int64_t job) {
      const DirectRange range = part(panels, jobs, job);
      for (std::int64_t panel = range.first; panel < range.last; ++panel) {
        for (std::int64_t channel = 0; channel < pass.in_channels; channel += block_) {
          pack(pass, rows, columns, kernel, panel * width, std::min(width, padded_ - panel * width),
               channel);
        }
      }
    });
  }

  std::int64_t taps() const { return taps_; }
  std::int64_t block() const { return block_; }
  const float* values() const { return values_.data(); }

 private:
  static std::int64_t block_of(std::int64_t taps, std::int64_t channels) {
    const std::int64_t most =
        std::max(kFewestChainChannels, kChain / std::max<std::int64_t>(1, taps));
    return divide_up(channels, divide_up(channels, most));
  }

  // Output channels [first, first + width) of the block that begins with `channel`.
  void pack(const DirectPass& pass, const Walk& rows, const Walk& columns, const Kernel& kernel,
            std::int64_t first, std::int64_t width, std::int64_t channel) {
    const std::int64_t in = pass.in_channels;
    const std::int64_t out = pass.out_channels;
    const std::int64_t depth = std::min(block_, in - channel);
    const std::int64_t count = std::min(width, out - first);
    float* to = values_.data() + taps_ * (channel * padded_ + first * depth);
    for (std::int64_t tap = 0; tap < taps_; ++tap) {
      const std::int64_t row = rows.first_tap + tap / columns.axis.taps * rows.tap_step;
      const std::int64_t column = columns.first_tap + tap % columns.axis.taps * columns.tap_step;
      const float* const from = kernel.values + (row * kernel.columns + column) * in * out;
      for (std::int64_t c = channel; c < channel + depth; ++c, to += width) {
        if (kernel.turned) {
          for (std::int64_t o = 0; o < count; ++o) to[o] = from[(first + o) * in + c];
        } else {
          std::copy_n(from + c * out + first, count, to);
        }
        std::fill_n(to + count, width - count, 0.0F);
      }
    }
  }

  std::int64_t taps_, block_, padded_;
  Scratch<float> values_;
};

// Whether y is so large that it leaves the cache anyway, and is written once, in whole lines.
bool streams(const DirectPass& pass, const PackedKernel& kernel, const float* y) {
  const std::int64_t bytes =
      pass.images * pass.out_rows * pass.out_columns * pass.out_channels * kFloatBytes;
  const std::int64_t least = pass.in_channels > kColours ? kStreamBytes : kStreamColourBytes;
  return bytes >= least && kernel.block() == pass.in_channels && whole_lines(y, pass.out_channels);
}

// Images share a job where their rims, or narrow rows, make tiles together.
bool images_alone(const DirectConvolution& direct, const DirectPass& pass) {
  const DirectAxis& columns = pass.columns;
  const std::int64_t last =
      (columns.out - 1) * columns.stride - columns.before + (columns.taps - 1) * columns.dilation;
  const bool rimless = columns.before <= 0 && last < columns.in;
  return direct.scratch_size(pass, 1) > 0 || (rimless && columns.out >= direct.positions);
}

void run(const DirectConvolution& direct, DirectPass pass, const PackedKernel& kernel,
         const float* x, float* y) {
  if (pass.rows.out == 0 || pass.columns.out == 0) return;
  pass.stream = streams(pass, kernel, y);
  const std::int64_t groups =
      images_alone(direct, pass) ? pass.images : divide_up(pass.images, direct.positions);
  const std::int64_t line = pass.columns.out * divide_up(pass.images, groups) * pass.out_channels;
  const std::int64_t worth =
      kJobProduct / std::max<std::int64_t>(1, line * kernel.taps() * pass.in_channels);
  const std::int64_t fit = kJobBytes / (line * kFloatBytes);
  const std::int64_t bands =
      divide_up(pass.rows.out, std::clamp<std::int64_t>(std::max(worth, fit), 1, pass.rows.out));
  parallel_for(groups * bands, [&](std::int64_t job) {
    const DirectRange rows = part(pass.rows.out, bands, job % bands);
    Scratch<float> scratch(direct.scratch_size(pass, rows.last - rows.first));
    direct.apply(pass, kernel.block(), x, kernel.values(), part(pass.images, groups, job / bands),
                 rows, scratch.data(), y);
  });
}

DirectPass forward_pass(const ConvolutionSize& size) {
  return {.images = size.images,
          .rows = forward_walk(size.rows).axis,
          .columns = forward_walk(size.columns).axis,
          .in_channels = size.in_channels,
          .out_channels = size.out_channels,
          .out_rows = size.rows.out,
          .out_columns = size.columns.out};
}

// How the kernel's gradient is shared out: jobs have some input channels (a slice) and some images,
// or rows of the one image (a block). The sums of a slice's blocks are added in their order.
struct GradientJobs {
  GradientJobs(const DirectConvolution& direct, const DirectPass& pass)
      : channels(pass.in_channels),
        taps(pass.rows.taps * pass.columns.taps),
        padded(divide_up(pass.out_channels, direct.lanes) * direct.lanes),
        by_images(pass.images > 1),
        units(by_images ? pass.images : pass.rows.out) {
    // Channels are shared out where the sum of all is larger than the cache.
    const std::int64_t fit = kSumBytes / (taps * padded * kFloatBytes);
    const std::int64_t least = std::min(channels, direct.positions);
    slices = divide_up(channels, std::clamp(fit, least, channels));
    largest = divide_up(channels, slices) * taps * padded;
    const std::int64_t positions = pass.images * pass.rows.out * pass.columns.out;
    const std::int64_t worth =
        std::min(positions * largest / kJobProduct, positions / kFewestSummed);
    blocks = std::clamp<std::int64_t>(std::min({worth, units, kWeightJobs / slices}), 1, units);
  }

  std::int64_t count() const { return slices * blocks; }
  DirectRange slice(std::int64_t job) const { return part(channels, slices, job / blocks); }
  DirectRange block(std::int64_t job) const { return part(units, blocks, job % blocks); }

  std::int64_t channels, taps, padded;
  bool by_images;
  std::int64_t units;
  std::int64_t slices, blocks;
  std::int64_t largest;  // values of a job's sum
};

// The gradient of a slice's channels from the sums of its blocks.
void finish(const GradientJobs& jobs, std::int64_t slice, const float* sums, std::int64_t out,
            float* dkernel) {
  const std::int64_t first_job = slice * jobs.blocks;
  const DirectRange channels = jobs.slice(first_job);
  const std::int64_t width = channels.last - channels.first;
  for (std::int64_t row = 0; row < jobs.taps * width; ++row) {
    float* const to = dkernel + (row / width * jobs.channels + channels.first + row % width) * out;
    const float* from = sums + first_job * jobs.largest + row * jobs.padded;
    std::copy_n(from, out, to);
    for (std::int64_t block = 1; block < jobs.blocks; ++block) {
      from += jobs.largest;
      for (std::int64_t o = 0; o < out; ++o) to[o] += from[o];
    }
  }
}

}  // namespace

const DirectConvolution* direct_kernels(const ConvolutionSize& size, InstructionSet level) {
  const bool something = std::min({size.images, size.rows.in, size.columns.in, size.rows.out,
                                   size.columns.out, size.in_channels, size.out_channels}) > 0;
  if (size.groups != 1 || !something) return nullptr;
  return LAMINA_OF_LEVEL(level, direct_convolution());
}

const DirectConvolution* faster_direct_kernels(const ConvolutionSize& size, ConvolutionPass pass) {
  // Positions that are far apart cost as much as their copy, and the product of matrices has less
  // to sum up.
  const bool sparse = size.rows.kernel * size.columns.kernel == 1 && size.columns.stride > 1;
  if (pass == ConvolutionPass::weight_gradient && sparse) return nullptr;
  const std::int64_t vectorized =
      pass == ConvolutionPass::input_gradient ? size.in_channels : size.out_channels;
  // 8 lanes of the wider level are as fast as its 16, and fewer of them lie idle.
  const InstructionSet level =
      vectorized <= 8 ? std::min(instruction_set(), InstructionSet::avx2) : instruction_set();
  const DirectConvolution* const kernels = direct_kernels(size, level);
  return kernels != nullptr && 2 * vectorized >= kernels->lanes ? kernels : nullptr;
}

void direct_convolution(const DirectConvolution& direct, const ConvolutionSize& size,
                        const float* x, const float* kernel, float* y) {
  const DirectPass pass = forward_pass(size);
  const PackedKernel packed(direct, pass, forward_walk(size.rows), forward_walk(size.columns),
                            {kernel, size.columns.kernel, false});
  run(direct, pass, packed, x, y);
}

void direct_input_gradient(const DirectConvolution& direct, const ConvolutionSize& size,
                           const float* dy, const float* kernel, float* dx) {
  const std::int64_t row_phases = std::min(size.rows.stride, size.rows.in);
  const std::int64_t column_phases = std::min(size.columns.stride, size.columns.in);
  for (std::int64_t i = 0; i < row_phases; ++i) {
    for (std::int64_t j = 0; j < column_phases; ++j) {
      const Walk rows = gradient_walk(size.rows, i);
      const Walk columns = gradient_walk(size.columns, j);
      const DirectPass pass{.images = size.images,
                            .rows = rows.axis,
                            .columns = columns.axis,
                            .in_channels = size.out_channels,
                            .out_channels = size.in_channels,
                            .out_rows = size.rows.in,
                            .out_columns = size.columns.in};
      const PackedKernel packed(direct, pass, rows, columns, {kernel, size.columns.kernel, true});
      run(direct, pass, packed, dy, dx);
    }
  }
}

void direct_weight_gradient(const DirectConvolution& direct, const ConvolutionSize& size,
                            const float* x, const float* dy, float* dkernel) {
  const DirectPass pass = forward_pass(size);
  const GradientJobs jobs(direct, pass);
  const std::int64_t scratch_size = direct.gradient_scratch_size(pass);
  Scratch<float> sums(jobs.count() * jobs.largest);
  parallel_for(jobs.count(), [&](std::int64_t job) {
    float* const sum = sums.data() + job * jobs.largest;
    std::fill_n(sum, jobs.largest, 0.0F);
    Scratch<float> scratch(scratch_size);
    const DirectRange images = jobs.by_images ? jobs.block(job) : DirectRange{0, 1};
    const DirectRange rows = jobs.by_images ? DirectRange{0, pass.rows.out} : jobs.block(job);
    direct.add_gradient(pass, x, dy, images, rows, jobs.slice(job), scratch.data(), sum);
  });
  parallel_for(jobs.slices, [&](std::int64_t slice) {
    finish(jobs, slice, sums.data(), pass.out_channels, dkernel);
  });
}

}  // namespace lamina::kernels
