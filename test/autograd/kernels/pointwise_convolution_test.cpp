// 1x1 convolution image by image against the sums as they stand, threads, and where it is possible.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/pointwise_convolution.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

#include "support/numbers.hpp"

namespace lamina::kernels {
namespace {

using test::random_tensor;

ConvolutionSize size_of(std::int64_t images, std::int64_t rows, std::int64_t columns,
                        std::int64_t in_channels, std::int64_t out_channels) {
  const auto axis = [](std::int64_t in) { return WindowAxis{.in = in, .out = in, .kernel = 1}; };
  return {.images = images,
          .rows = axis(rows),
          .columns = axis(columns),
          .in_channels = in_channels,
          .out_channels = out_channels};
}

template <Scalar T>
struct Case {
  explicit Case(const ConvolutionSize& convolution)
      : size(convolution),
        x(random_tensor<T>({size.images, size.in_channels, size.rows.in, size.columns.in}, 1)),
        kernel(random_tensor<T>({size.in_channels, size.out_channels}, 2)),
        dy(random_tensor<T>({size.images, size.out_channels, size.rows.in, size.columns.in}, 3)),
        y(dy.shape(), 7),
        dx(x.shape(), 7),
        dkernel(kernel.shape(), 7) {}

  void compute() {
    pointwise_convolution(size, x.data(), kernel.data(), y.mutable_data());
    pointwise_input_gradient(size, dy.data(), kernel.data(), dx.mutable_data());
    pointwise_weight_gradient(size, x.data(), dy.data(), dkernel.mutable_data());
  }

  ConvolutionSize size;
  Tensor<T> x, kernel, dy, y, dx, dkernel;
};

template <Scalar T>
void check(const ConvolutionSize& size, double tolerance) {
  Case<T> got(size);
  got.compute();
  Case<double> expected(size);
  expected.y = Tensor<double>::zeros(got.y.shape());
  expected.dx = Tensor<double>::zeros(got.dx.shape());
  expected.dkernel = Tensor<double>::zeros(got.dkernel.shape());
  const std::int64_t in = size.in_channels, out = size.out_channels;
  const std::int64_t positions = size.rows.in * size.columns.in;
  double* const y = expected.y.mutable_data();
  double* const dx = expected.dx.mutable_data();
  double* const dkernel = expected.dkernel.mutable_data();
  for (std::int64_t n = 0; n < size.images; ++n) {
    for (std::int64_t c = 0; c < in; ++c) {
      for (std::int64_t o = 0; o < out; ++o) {
        const double weight = got.kernel.data()[c * out + o];
        for (std::int64_t p = 0; p < positions; ++p) {
          const std::int64_t at_x = (n * in + c) * positions + p;
          const std::int64_t at_y = (n * out + o) * positions + p;
          y[at_y] += weight * got.x.data()[at_x];
          dx[at_x] += weight * got.dy.data()[at_y];
          dkernel[c * out + o] += double{got.x.data()[at_x]} * got.dy.data()[at_y];
        }
      }
    }
  }
  test::check_close<double>("y", got.y.template cast<double>(), expected.y, tolerance);
  test::check_close<double>("dx", got.dx.template cast<double>(), expected.dx, tolerance);
  test::check_close<double>("dkernel", got.dkernel.template cast<double>(), expected.dkernel,
                            tolerance);
}

BOOST_AUTO_TEST_SUITE(pointwise_convolution_kernels)

BOOST_AUTO_TEST_CASE(equals_the_sums) {
  for (const ConvolutionSize& size :
       {size_of(1, 1, 1, 1, 1), size_of(3, 5, 7, 2, 11), size_of(29, 17, 13, 19, 23)}) {
    // Sums of up to 6409 products below 1, each rounded to 6e-8 or 1e-16.
    check<float>(size, 1e-4);
    check<double>(size, 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(is_for_stride_1_and_enough_positions) {
  const ConvolutionSize good = size_of(2, 8, 4, 3, 5);
  BOOST_TEST(pointwise_by_image(good));
  BOOST_TEST(!pointwise_by_image(size_of(2, 31, 1, 3, 5)));
  for (int change = 0; change < 8; ++change) {
    ConvolutionSize size = good;
    if (change == 0) size.rows.stride = 2;
    if (change == 1) size.columns.stride = 2;
    if (change == 2) size.rows.kernel = 2;
    if (change == 3) size.columns.before = 1;
    if (change == 4) size.columns.out = 5;
    if (change == 5) size.groups = 2;
    if (change == 6) size.images = 0;
    if (change == 7) size.in_channels = 0;
    BOOST_TEST(!pointwise_by_image(size), "change " << change);
  }
}

BOOST_AUTO_TEST_CASE(gives_the_same_bits_for_one_and_two_threads) {
  const int before = threads();
  const ConvolutionSize size = size_of(29, 17, 13, 37, 41);
  Case<float> one(size), two(size);
  set_threads(1);
  one.compute();
  set_threads(2);
  two.compute();
  set_threads(before);
  BOOST_TEST(identical(one.y, two.y));
  BOOST_TEST(identical(one.dx, two.dx));
  BOOST_TEST(identical(one.dkernel, two.dkernel));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
