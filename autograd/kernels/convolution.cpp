#include <algorithm>
#include <lamina/autograd/kernels/convolution.hpp>
#include <lamina/autograd/kernels/direct_convolution.hpp>
#include <lamina/autograd/kernels/gemm.hpp>
#include <lamina/autograd/kernels/line_filtering.hpp>
#include <lamina/autograd/kernels/minimal_filtering.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/kernels/sum_of_parts.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <type_traits>

namespace lamina::kernels {

namespace {

// Scratch of one tile: half of a second-level cache of 1 MiB.
constexpr std::int64_t kScratchBytes = std::int64_t{1} << 19;
// Multiply-adds that are worth a tile of their own.
constexpr std::int64_t kTileProduct = std::int64_t{1} << 20;
constexpr std::int64_t kMinimalTiles = 16;
constexpr std::int64_t kWeightBlocks = 8;

// What the loops below need, computed once. A line is one row of output positions of one image;
// lines of all images are numbered through.
template <Scalar T>
struct Plan {
  explicit Plan(const ConvolutionSize& s)
      : size(s),
        group_in(s.in_channels / s.groups),
        group_out(s.out_channels / s.groups),
        window(s.rows.kernel * s.columns.kernel * group_in),
        lines(s.images * s.rows.out),
        line_work(s.columns.out * window * group_out),
        lines_per_chunk(std::max<std::int64_t>(
            1, kScratchBytes /
                   std::max<std::int64_t>(1, s.columns.out * window * std::int64_t{sizeof(T)}))) {}

  const ConvolutionSize& size;
  std::int64_t group_in;
  std::int64_t group_out;
  std::int64_t window;  // elements of a window: rows of the kernel matrix
  std::int64_t lines;
  std::int64_t line_work;  // multiply-adds per line and group
  std::int64_t lines_per_chunk;

  // Every window is one input position: the input itself is the matrix.
  bool pointwise() const {
    const auto single = [](const WindowAxis& axis) {
      return axis.kernel == 1 && axis.stride == 1 && axis.before == 0 && axis.in == axis.out;
    };
    return single(size.rows) && single(size.columns);
  }

  const T* image_row(const T* x, std::int64_t image, std::int64_t row) const {
    return x + (image * size.rows.in + row) * size.columns.in * size.in_channels;
  }
  T* image_row(T* x, std::int64_t image, std::int64_t row) const {
    return x + (image * size.rows.in + row) * size.columns.in * size.in_channels;
  }
};

// One kernel row of one window.
template <Scalar T>
void gather_row(const Plan<T>& plan, const T* row, std::int64_t position, T* out) {
  const WindowAxis& axis = plan.size.columns;
  const std::int64_t channels = plan.group_in;
  const std::int64_t stride = plan.size.in_channels;
  const auto [first, last] = axis.taps(position);
  if (first == last) {
    std::fill_n(out, axis.kernel * channels, T{0});
    return;
  }
  const T* in = row + (axis.origin(position) + first * axis.dilation) * stride;
  std::fill_n(out, first * channels, T{0});
  if (axis.dilation == 1 && channels == stride) {
    std::copy_n(in, (last - first) * channels, out + first * channels);
  } else {
    for (std::int64_t tap = first; tap < last; ++tap, in += axis.dilation * stride) {
      std::copy_n(in, channels, out + tap * channels);
    }
  }
  std::fill_n(out + last * channels, (axis.kernel - last) * channels, T{0});
}

// The windows of lines [first, last) and of one group as rows of a matrix (im2col).
template <Scalar T>
void gather_windows(const Plan<T>& plan, const T* x, std::int64_t group, std::int64_t first,
                    std::int64_t last, T* matrix) {
  const WindowAxis& rows = plan.size.rows;
  const std::int64_t run = plan.size.columns.kernel * plan.group_in;
  for (std::int64_t line = first; line < last; ++line) {
    const std::int64_t image = line / rows.out;
    const std::int64_t top = rows.origin(line % rows.out);
    T* out = matrix + (line - first) * plan.size.columns.out * plan.window;
    for (std::int64_t tap = 0; tap < rows.kernel; ++tap) {
      const std::int64_t row = top + tap * rows.dilation;
      T* to = out + tap * run;
      if (!rows.inside(row)) {
        for (std::int64_t i = 0; i < plan.size.columns.out; ++i) {
          std::fill_n(to + i * plan.window, run, T{0});
        }
        continue;
      }
      const T* from = plan.image_row(x, image, row) + group * plan.group_in;
      for (std::int64_t i = 0; i < plan.size.columns.out; ++i) {
        gather_row(plan, from, i, to + i * plan.window);
      }
    }
  }
}

// The adjoint of gather_windows: rows of the matrix are added to the image.
template <Scalar T>
void scatter_windows(const Plan<T>& plan, const T* matrix, std::int64_t group, std::int64_t first,
                     std::int64_t last, T* x) {
  const WindowAxis& rows = plan.size.rows;
  const WindowAxis& columns = plan.size.columns;
  const std::int64_t channels = plan.group_in;
  const std::int64_t run = columns.kernel * channels;
  for (std::int64_t line = first; line < last; ++line) {
    const std::int64_t image = line / rows.out;
    const std::int64_t top = rows.origin(line % rows.out);
    const T* in = matrix + (line - first) * columns.out * plan.window;
    const auto [first_row, last_row] = rows.taps(line % rows.out);
    for (std::int64_t row_tap = first_row; row_tap < last_row; ++row_tap) {
      T* row = plan.image_row(x, image, top + row_tap * rows.dilation) + group * channels;
      for (std::int64_t i = 0; i < columns.out; ++i) {
        const T* from = in + i * plan.window + row_tap * run;
        const auto [first_tap, last_tap] = columns.taps(i);
        for (std::int64_t tap = first_tap; tap < last_tap; ++tap) {
          T* to = row + (columns.origin(i) + tap * columns.dilation) * plan.size.in_channels;
          for (std::int64_t c = 0; c < channels; ++c) to[c] += from[tap * channels + c];
        }
      }
    }
  }
}

// Calls body(first, last) for the chunks of lines [first, last) that fit in scratch.
template <Scalar T, class Body>
void for_chunks(const Plan<T>& plan, std::int64_t first, std::int64_t last, Body&& body) {
  for (std::int64_t line = first; line < last; line += plan.lines_per_chunk) {
    body(line, std::min(last, line + plan.lines_per_chunk));
  }
}

template <Scalar T>
std::int64_t scratch_size(const Plan<T>& plan) {
  return plan.pointwise() ? 0 : plan.lines_per_chunk * plan.size.columns.out * plan.window;
}

// Leaves a float convolution to minimal filtering, of squares or along lines, or to the kernels of
// the instruction set where they are faster; returns whether it has.
template <Scalar T, class Lines, class Squares, class Direct>
bool computed_elsewhere(const ConvolutionSize& size, ConvolutionPass pass, Lines by_lines,
                        Squares by_squares, Direct directly, const T* left, const T* right,
                        T* result) {
  if constexpr (std::is_same_v<T, float>) {
    const auto with = [&](const auto* method, const auto& compute) {
      if (method != nullptr) compute(*method, size, left, right, result);
      return method != nullptr;
    };
    return (!size.exact && (with(faster_minimal_filter(size, pass), by_squares) ||
                            with(faster_line_filter(size, pass), by_lines))) ||
           with(faster_direct_kernels(size, pass), directly);
  }
  return false;
}

}  // namespace

template <Scalar T>
void convolution(const ConvolutionSize& size, const T* x, const T* kernel, T* y) {
  if (computed_elsewhere(size, ConvolutionPass::forward, line_convolution, filtered_convolution,
                         direct_convolution, x, kernel, y))
    return;
  const Plan<T> plan(size);
  const std::int64_t out_stride = size.out_channels;
  if (plan.pointwise()) {
    for (std::int64_t group = 0; group < size.groups; ++group) {
      gemm<T>(plan.lines * size.columns.out, plan.group_out, plan.window,
              {x + group * plan.group_in, std::max<std::int64_t>(1, size.in_channels)},
              {kernel + group * plan.group_out, out_stride}, y + group * plan.group_out,
              out_stride);
    }
    return;
  }
  // At least kMinimalTiles where each is then worth it, and no more than scratch holds: the fewer
  // the tiles, the less often the kernel is packed.
  const std::int64_t worth = kTileProduct / std::max<std::int64_t>(1, plan.line_work * size.groups);
  const std::int64_t per_tile =
      std::min(plan.lines_per_chunk, std::max(worth + 1, plan.lines / kMinimalTiles));
  parallel_for((plan.lines + per_tile - 1) / per_tile, [&](std::int64_t tile) {
    const std::int64_t first = tile * per_tile;
    const std::int64_t last = std::min(plan.lines, first + per_tile);
    const std::int64_t rows = (last - first) * size.columns.out;
    Scratch<T> matrix(rows * plan.window);
    for (std::int64_t group = 0; group < size.groups; ++group) {
      gather_windows(plan, x, group, first, last, matrix.data());
      gemm_serial<T>(rows, plan.group_out, plan.window,
                     {matrix.data(), std::max<std::int64_t>(1, plan.window)},
                     {kernel + group * plan.group_out, out_stride},
                     y + first * size.columns.out * out_stride + group * plan.group_out,
                     out_stride);
    }
  });
}

template <Scalar T>
void convolution_input_gradient(const ConvolutionSize& size, const T* dy, const T* kernel, T* dx) {
  if (computed_elsewhere(size, ConvolutionPass::input_gradient, line_input_gradient,
                         filtered_input_gradient, direct_input_gradient, dy, kernel, dx))
    return;
  const Plan<T> plan(size);
  const std::int64_t out_stride = size.out_channels;
  const auto kernel_of = [&](std::int64_t group) {
    return MatrixView<T>{kernel + group * plan.group_out, out_stride, true};
  };
  if (plan.pointwise()) {
    for (std::int64_t group = 0; group < size.groups; ++group) {
      gemm<T>(plan.lines * size.columns.out, plan.window, plan.group_out,
              {dy + group * plan.group_out, out_stride}, kernel_of(group),
              dx + group * plan.group_in, std::max<std::int64_t>(1, size.in_channels));
    }
    return;
  }
  // Windows of one image overlap, those of two do not: a tile is a number of images.
  const std::int64_t image_work = plan.line_work * size.rows.out * size.groups;
  const std::int64_t per_tile =
      std::max<std::int64_t>(1, kTileProduct / std::max<std::int64_t>(1, image_work));
  parallel_for((size.images + per_tile - 1) / per_tile, [&](std::int64_t tile) {
    const std::int64_t image = tile * per_tile;
    const std::int64_t last_image = std::min(size.images, image + per_tile);
    std::fill(plan.image_row(dx, image, 0), plan.image_row(dx, last_image, 0), T{0});
    Scratch<T> matrix(scratch_size(plan));
    for_chunks(plan, image * size.rows.out, last_image * size.rows.out,
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t group = 0; group < size.groups; ++group) {
                   const T* from = dy + first * size.columns.out * out_stride;
                   gemm_serial<T>((last - first) * size.columns.out, plan.window, plan.group_out,
                                  {from + group * plan.group_out, out_stride}, kernel_of(group),
                                  matrix.data(), std::max<std::int64_t>(1, plan.window));
                   scatter_windows(plan, matrix.data(), group, first, last, dx);
                 }
               });
  });
}

template <Scalar T>
void convolution_weight_gradient(const ConvolutionSize& size, const T* x, const T* dy, T* dkernel) {
  if (computed_elsewhere(size, ConvolutionPass::weight_gradient, line_weight_gradient,
                         filtered_weight_gradient, direct_weight_gradient, x, dy, dkernel))
    return;
  const Plan<T> plan(size);
  const std::int64_t out_stride = size.out_channels;
  if (plan.pointwise()) {
    for (std::int64_t group = 0; group < size.groups; ++group) {
      gemm<T>(plan.window, plan.group_out, plan.lines * size.columns.out,
              {x + group * plan.group_in, std::max<std::int64_t>(1, size.in_channels), true},
              {dy + group * plan.group_out, out_stride}, dkernel + group * plan.group_out,
              out_stride);
    }
    return;
  }
  const std::int64_t count = plan.window * out_stride;
  const std::int64_t work = plan.line_work * size.groups * plan.lines;
  const std::int64_t blocks =
      std::clamp<std::int64_t>(std::min(work / kTileProduct, plan.lines), 1, kWeightBlocks);
  Scratch<T> scratch(blocks * count);
  T* const partial = scratch.data();
  parallel_for(blocks, [&](std::int64_t block) {
    T* const sum = partial + block * count;
    std::fill_n(sum, count, T{0});
    Scratch<T> matrix(scratch_size(plan));
    for_chunks(plan, plan.lines * block / blocks, plan.lines * (block + 1) / blocks,
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t group = 0; group < size.groups; ++group) {
                   gather_windows(plan, x, group, first, last, matrix.data());
                   const T* right = dy + first * size.columns.out * out_stride;
                   gemm_serial<T>(plan.window, plan.group_out, (last - first) * size.columns.out,
                                  {matrix.data(), std::max<std::int64_t>(1, plan.window), true},
                                  {right + group * plan.group_out, out_stride},
                                  sum + group * plan.group_out, out_stride, Store::add);
                 }
               });
  });
  sum_of_parts(partial, blocks, count, dkernel);
}

#define LAMINA_INSTANTIATE(T)                                                               \
  template void convolution(const ConvolutionSize&, const T*, const T*, T*);                \
  template void convolution_input_gradient(const ConvolutionSize&, const T*, const T*, T*); \
  template void convolution_weight_gradient(const ConvolutionSize&, const T*, const T*, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::kernels
