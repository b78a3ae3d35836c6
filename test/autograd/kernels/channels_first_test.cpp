// Convolution of images with channels first against that of the same images with channels last,
// threads, and where it is offered.
#include <lamina/autograd/kernels/channels_first.hpp>
#include <lamina/autograd/kernels/strided_copy.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

#include "autograd/kernels/convolution_cases.hpp"

namespace lamina::kernels {
namespace {

using namespace test_cases;

WindowAxis axis(std::int64_t in, std::int64_t kernel, std::int64_t stride = 1,
                std::int64_t dilation = 1) {
  const std::int64_t reach = (kernel - 1) * dilation;
  return {.in = in,
          .out = (in + reach / 2 * 2 - reach - 1) / stride + 1,
          .kernel = kernel,
          .stride = stride,
          .dilation = dilation,
          .before = reach / 2};
}

ConvolutionSize size_of(std::int64_t images, const WindowAxis& rows, const WindowAxis& columns,
                        std::int64_t in, std::int64_t out) {
  return {
      .images = images, .rows = rows, .columns = columns, .in_channels = in, .out_channels = out};
}

// One image in a block, several, a last block that is not full, more blocks than sums of the
// kernel's gradient; one to four channels on either side.
const std::vector<ConvolutionSize> kSizes{size_of(2, axis(5, 3), axis(6, 3), 1, 7),
                                          size_of(37, axis(28, 5), axis(28, 5), 1, 32),
                                          size_of(3, axis(56, 7, 2), axis(57, 7, 2), 3, 40),
                                          size_of(19, axis(40, 3, 1, 2), axis(31, 2), 36, 4),
                                          size_of(50, axis(17, 1, 2), axis(90, 3), 2, 19)};

template <Scalar T>
Tensor<T> channels_first(const Tensor<float>& images) {
  const Shape& s = images.shape();
  const Tensor<T> from = images.cast<T>();
  Tensor<T> to = Tensor<T>::uninitialized({s[0], s[3], s[1], s[2]});
  strided_copy(Shape{s[0], s[1] * s[2], s[3]}, from.data(), {s[1] * s[2] * s[3], s[3], 1},
               to.mutable_data(), {s[1] * s[2] * s[3], 1, s[1] * s[2]});
  return to;
}

Tensor<float> channels_last(const Tensor<float>& images) {
  const Shape& s = images.shape();
  Tensor<float> to = Tensor<float>::uninitialized({s[0], s[2], s[3], s[1]});
  strided_copy(Shape{s[0], s[2] * s[3], s[1]}, images.data(), {s[1] * s[2] * s[3], 1, s[2] * s[3]},
               to.mutable_data(), {s[1] * s[2] * s[3], s[1], 1});
  return to;
}

template <Scalar T>
Results<float> by_images(const ConvolutionSize& size, const Operands& o) {
  const Tensor<T> x = channels_first<T>(o.x), kernel = o.kernel.cast<T>(),
                  dy = channels_first<T>(o.dy);
  Tensor<T> y(dy.shape(), 7), dx(x.shape(), 7), dkernel(kernel.shape(), 7);
  channels_first_convolution(size, x.data(), kernel.data(), y.mutable_data());
  channels_first_input_gradient(size, dy.data(), kernel.data(), dx.mutable_data());
  channels_first_weight_gradient(size, x.data(), dy.data(), dkernel.mutable_data());
  return {channels_last(y.template cast<float>()), channels_last(dx.template cast<float>()),
          dkernel.template cast<float>()};
}

BOOST_AUTO_TEST_SUITE(channels_first_kernels)

BOOST_AUTO_TEST_CASE(equals_the_convolution_with_channels_last) {
  for (const ConvolutionSize& size : kSizes) {
    BOOST_TEST_REQUIRE(stays_channels_first(size));
    const Operands operands(size);
    const Results<double> expected = direct<double>(size, operands);
    for (const Results<float>& got :
         {by_images<float>(size, operands), by_images<double>(size, operands)}) {
      BOOST_TEST(largest_error(got.y, expected.y) < 1e-5);
      BOOST_TEST(largest_error(got.dx, expected.dx) < 1e-5);
      BOOST_TEST(largest_error(got.dkernel, expected.dkernel) < 1e-5);
    }
  }
}

BOOST_AUTO_TEST_CASE(gives_the_same_bits_for_one_and_two_threads) {
  const int before = threads();
  for (const ConvolutionSize& size : kSizes) {
    const Operands operands(size);
    set_threads(1);
    const Results<float> one = by_images<float>(size, operands);
    set_threads(2);
    const Results<float> two = by_images<float>(size, operands);
    BOOST_TEST(identical(one.y, two.y));
    BOOST_TEST(identical(one.dx, two.dx));
    BOOST_TEST(identical(one.dkernel, two.dkernel));
  }
  set_threads(before);
}

BOOST_AUTO_TEST_CASE(is_for_several_images_with_few_channels_and_for_1x1_kernels) {
  const ConvolutionSize few = kSizes[0];
  const auto with = [&](auto change) {
    ConvolutionSize size = few;
    change(size);
    return stays_channels_first(size);
  };
  BOOST_TEST(stays_channels_first(few));
  BOOST_TEST(with([](ConvolutionSize& size) { size.in_channels = 4; }));
  BOOST_TEST(!with([](ConvolutionSize& size) { size.in_channels = 5; }));
  BOOST_TEST(!with([](ConvolutionSize& size) { size.images = 1; }));
  BOOST_TEST(!with([](ConvolutionSize& size) { size.groups = 2; }));
  BOOST_TEST(!with([](ConvolutionSize& size) { size.in_channels = 0; }));
  BOOST_TEST(!with([](ConvolutionSize& size) { size.rows.out = 0; }));
  BOOST_TEST(stays_channels_first(size_of(1, axis(8, 1), axis(8, 1), 64, 64)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
