#include <algorithm>
#include <lamina/autograd/kernels/channels_first.hpp>
#include <lamina/autograd/kernels/pointwise_convolution.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/kernels/strided_copy.hpp>
#include <lamina/autograd/kernels/sum_of_parts.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {

namespace {

constexpr std::int64_t kFewChannels = 4;
// Of the images of a block: a quarter of a second-level cache, which holds them in both orders.
constexpr std::int64_t kBlockBytes = std::int64_t{1} << 18;
constexpr std::int64_t kSums = 16;  // of the kernel's gradient

// One side of the convolution: x or y.
struct Side {
  std::int64_t positions, channels;

  std::int64_t image() const { return positions * channels; }

  template <Scalar T>
  void to_channels_last(std::int64_t images, const T* from, T* to) const {
    strided_copy(Shape{images, positions, channels}, from, {image(), 1, positions}, to,
                 {image(), channels, 1});
  }
  template <Scalar T>
  void to_channels_first(std::int64_t images, const T* from, T* to) const {
    strided_copy(Shape{images, positions, channels}, from, {image(), channels, 1}, to,
                 {image(), 1, positions});
  }
};

// Images in blocks of which the second-level cache holds both sides.
struct ImageBlocks {
  ImageBlocks(const ConvolutionSize& convolution, std::int64_t value_bytes)
      : size(convolution),
        x{size.rows.in * size.columns.in, size.in_channels},
        y{size.rows.out * size.columns.out, size.out_channels},
        images(std::clamp<std::int64_t>(kBlockBytes / ((x.image() + y.image()) * value_bytes), 1,
                                        size.images)),
        count((size.images + images - 1) / images) {}

  // body(first image of the block, the size of its convolution)
  template <class Body>
  void run(std::int64_t block, Body&& body) const {
    ConvolutionSize part = size;
    part.images = std::min(images, size.images - block * images);
    body(block * images, part);
  }

  const ConvolutionSize& size;
  Side x, y;
  std::int64_t images;  // of a block, the last one possibly fewer
  std::int64_t count;
};

// Both directions between x and y.
template <Scalar T, class Convolve>
void convolve_blocks(const ImageBlocks& blocks, const Side& from, const Side& to, const T* in,
                     T* out, Convolve convolve) {
  parallel_for(blocks.count, [&](std::int64_t block) {
    Scratch<T> left(blocks.images * from.image());
    Scratch<T> right(blocks.images * to.image());
    blocks.run(block, [&](std::int64_t first, const ConvolutionSize& part) {
      from.to_channels_last(part.images, in + first * from.image(), left.data());
      convolve(part, left.data(), right.data());
      to.to_channels_first(part.images, right.data(), out + first * to.image());
    });
  });
}

}  // namespace

bool stays_channels_first(const ConvolutionSize& size) {
  if (pointwise_by_image(size)) return true;
  const bool something = std::min({size.rows.in, size.columns.in, size.rows.out, size.columns.out,
                                   size.in_channels, size.out_channels}) > 0;
  return something && size.images > 1 && size.groups == 1 &&
         std::min(size.in_channels, size.out_channels) <= kFewChannels;
}

template <Scalar T>
void channels_first_convolution(const ConvolutionSize& size, const T* x, const T* kernel, T* y) {
  if (pointwise_by_image(size)) return pointwise_convolution(size, x, kernel, y);
  const ImageBlocks blocks(size, sizeof(T));
  convolve_blocks(blocks, blocks.x, blocks.y, x, y,
                  [&](const ConvolutionSize& part, const T* in, T* out) {
                    convolution(part, in, kernel, out);
                  });
}

template <Scalar T>
void channels_first_input_gradient(const ConvolutionSize& size, const T* dy, const T* kernel,
                                   T* dx) {
  if (pointwise_by_image(size)) return pointwise_input_gradient(size, dy, kernel, dx);
  const ImageBlocks blocks(size, sizeof(T));
  convolve_blocks(blocks, blocks.y, blocks.x, dy, dx,
                  [&](const ConvolutionSize& part, const T* in, T* out) {
                    convolution_input_gradient(part, in, kernel, out);
                  });
}

template <Scalar T>
void channels_first_weight_gradient(const ConvolutionSize& size, const T* x, const T* dy,
                                    T* dkernel) {
  if (pointwise_by_image(size)) return pointwise_weight_gradient(size, x, dy, dkernel);
  const ImageBlocks blocks(size, sizeof(T));
  const std::int64_t count =
      size.rows.kernel * size.columns.kernel * size.in_channels * size.out_channels;
  const std::int64_t jobs = std::min(blocks.count, kSums);
  Scratch<T> sums(jobs * count);
  parallel_for(jobs, [&](std::int64_t job) {
    Scratch<T> images_x(blocks.images * blocks.x.image());
    Scratch<T> images_dy(blocks.images * blocks.y.image());
    Scratch<T> gradient(count);
    T* const sum = sums.data() + job * count;
    std::fill_n(sum, count, T{0});
    for (std::int64_t block = blocks.count * job / jobs; block < blocks.count * (job + 1) / jobs;
         ++block) {
      blocks.run(block, [&](std::int64_t first, const ConvolutionSize& part) {
        blocks.x.to_channels_last(part.images, x + first * blocks.x.image(), images_x.data());
        blocks.y.to_channels_last(part.images, dy + first * blocks.y.image(), images_dy.data());
        convolution_weight_gradient(part, images_x.data(), images_dy.data(), gradient.data());
        for (std::int64_t i = 0; i < count; ++i) sum[i] += gradient.data()[i];
      });
    }
  });
  sum_of_parts<T>(sums.data(), jobs, count, dkernel);
}

#define LAMINA_INSTANTIATE(T)                                                                  \
  template void channels_first_convolution(const ConvolutionSize&, const T*, const T*, T*);    \
  template void channels_first_input_gradient(const ConvolutionSize&, const T*, const T*, T*); \
  template void channels_first_weight_gradient(const ConvolutionSize&, const T*, const T*, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::kernels
