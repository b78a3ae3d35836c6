#include <algorithm>
#include <lamina/autograd/kernels/gemm.hpp>
#include <lamina/autograd/kernels/pointwise_convolution.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/kernels/sum_of_parts.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {

namespace {

constexpr std::int64_t kFewestPositions = 32;
// Multiply-adds that are worth a job of their own.
constexpr std::int64_t kJobProduct = std::int64_t{1} << 20;
constexpr std::int64_t kWeightBlocks = 8;

std::int64_t positions_of(const ConvolutionSize& size) { return size.rows.in * size.columns.in; }

// Images in blocks that are worth a job: body(block, first, last).
struct Blocks {
  Blocks(const ConvolutionSize& size, std::int64_t most)
      : images(size.images),
        count(std::clamp<std::int64_t>(
            std::min(images, images * positions_of(size) * size.in_channels * size.out_channels /
                                 kJobProduct),
            1, most)) {}

  template <class Body>
  void run(Body&& body) const {
    parallel_for(count, [&](std::int64_t block) {
      body(block, images * block / count, images * (block + 1) / count);
    });
  }

  std::int64_t images, count;
};

// c[image] = a b[image] for all images.
template <Scalar T>
void multiply(const ConvolutionSize& size, MatrixView<T> a, std::int64_t rows, std::int64_t inner,
              const T* b, T* c) {
  const std::int64_t positions = positions_of(size);
  Blocks(size, std::max<std::int64_t>(1, size.images))
      .run([&](std::int64_t, std::int64_t first, std::int64_t last) {
        for (std::int64_t image = first; image < last; ++image) {
          gemm_serial<T>(rows, positions, inner, a, {b + image * inner * positions, positions},
                         c + image * rows * positions, positions);
        }
      });
}

}  // namespace

bool pointwise_by_image(const ConvolutionSize& size) {
  const auto single = [](const WindowAxis& axis) {
    return axis.kernel == 1 && axis.stride == 1 && axis.before == 0 && axis.in == axis.out;
  };
  return single(size.rows) && single(size.columns) && size.groups == 1 &&
         std::min({size.images, size.in_channels, size.out_channels}) > 0 &&
         positions_of(size) >= kFewestPositions;
}

template <Scalar T>
void pointwise_convolution(const ConvolutionSize& size, const T* x, const T* kernel, T* y) {
  multiply<T>(size, {kernel, size.out_channels, true}, size.out_channels, size.in_channels, x, y);
}

template <Scalar T>
void pointwise_input_gradient(const ConvolutionSize& size, const T* dy, const T* kernel, T* dx) {
  multiply<T>(size, {kernel, size.out_channels}, size.in_channels, size.out_channels, dy, dx);
}

template <Scalar T>
void pointwise_weight_gradient(const ConvolutionSize& size, const T* x, const T* dy, T* dkernel) {
  const std::int64_t in = size.in_channels;
  const std::int64_t out = size.out_channels;
  const std::int64_t positions = positions_of(size);
  const Blocks blocks(size, kWeightBlocks);
  Scratch<T> sums(blocks.count * in * out);
  blocks.run([&](std::int64_t block, std::int64_t first, std::int64_t last) {
    for (std::int64_t image = first; image < last; ++image) {
      gemm_serial<T>(in, out, positions, {x + image * in * positions, positions},
                     {dy + image * out * positions, positions, true},
                     sums.data() + block * in * out, out,
                     image == first ? Store::assign : Store::add);
    }
  });
  sum_of_parts<T>(sums.data(), blocks.count, in * out, dkernel);
}

#define LAMINA_INSTANTIATE(T)                                                             \
  template void pointwise_convolution(const ConvolutionSize&, const T*, const T*, T*);    \
  template void pointwise_input_gradient(const ConvolutionSize&, const T*, const T*, T*); \
  template void pointwise_weight_gradient(const ConvolutionSize&, const T*, const T*, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::kernels
