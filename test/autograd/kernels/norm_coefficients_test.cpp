// On every level of this machine.
#include "support/norm_coefficients.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/norm_coefficients.hpp>
#include <limits>

#include "support/levels.hpp"
#include "support/numbers.hpp"

namespace lamina::kernels {
namespace {

using test::random_tensor;

constexpr double kEpsilon = 1e-3;

// Groups of channels that no vector divides; the second one has no count.
struct Statistics {
  NormLayout layout;
  Tensor<double> mean, variance, scale, offset, sum_dy, sum_dy_centred, count;

  explicit Statistics(std::int64_t groups = 3)
      : layout{.outer = 4, .groups = groups, .channels = 37}, count(Shape{groups}, 2.5) {
    const Shape statistics{layout.groups, layout.channels}, channels{layout.channels};
    mean = random_tensor<double>(statistics, 1, -1e6, 1e6);
    variance = random_tensor<double>(statistics, 2, 0, 4);
    scale = random_tensor<double>(channels, 3, -2, 2);
    offset = random_tensor<double>(channels, 4);
    sum_dy = random_tensor<double>(statistics, 5);
    sum_dy_centred = random_tensor<double>(statistics, 6);
    count.mutable_data()[0] = 4;
    count.mutable_data()[1] = 0;
  }
};

template <Scalar T>
void check_scaling(const Statistics& of, double epsilon, InstructionSet level) {
  Tensor<double> inverse(of.mean.shape(), -1.0);
  const auto scaling =
      centred_scaling<T>(of.layout, of.mean.data(), of.variance.data(), epsilon, of.scale.data(),
                         of.offset.data(), inverse.mutable_data(), level);
  const double rounding = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::int64_t s = 0; s < of.layout.statistics(); ++s) {
    const std::int64_t c = s % of.layout.channels;
    const double square = of.variance.data()[s] + epsilon;
    const double expected = square == 0 ? 0 : 1 / std::sqrt(square);
    const double factor = expected * of.scale.data()[c], mean = of.mean.data()[s];
    BOOST_TEST(std::abs(inverse.data()[s] - expected) <= 4e-16 * expected);
    BOOST_TEST(scaling.high.data()[s] == static_cast<T>(mean));
    BOOST_TEST(std::abs(static_cast<double>(scaling.factor.data()[s]) - factor) <=
               rounding * std::abs(factor));
    // What was rounded away from the mean is in the constant: at x = mean, y is the offset.
    const double at_mean = (mean - static_cast<double>(scaling.high.data()[s])) * factor +
                           static_cast<double>(scaling.constant.data()[s]);
    BOOST_TEST(std::abs(at_mean - of.offset.data()[c]) <=
               rounding * (1 + std::abs(static_cast<double>(scaling.constant.data()[s]))));
  }
}

BOOST_AUTO_TEST_SUITE(norm_coefficients)

BOOST_AUTO_TEST_CASE(scale_by_the_inverse_deviation) {
  Statistics of;
  of.variance.mutable_data()[5] = 0;
  of.variance.mutable_data()[40] = 1e-60;
  for (const InstructionSet level : test::levels_here()) {
    for (const double epsilon : {kEpsilon, 0.0}) {
      check_scaling<float>(of, epsilon, level);
      check_scaling<double>(of, epsilon, level);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_deviation_stays_unknown) {
  Statistics of;
  of.variance.mutable_data()[3] = std::numeric_limits<double>::quiet_NaN();
  for (const InstructionSet level : test::levels_here()) {
    Tensor<double> inverse(of.mean.shape(), 0.0);
    const auto scaling =
        centred_scaling<float>(of.layout, of.mean.data(), of.variance.data(), kEpsilon,
                               of.scale.data(), of.offset.data(), inverse.mutable_data(), level);
    BOOST_TEST(std::isnan(inverse.data()[3]));
    BOOST_TEST(std::isnan(scaling.factor.data()[3]));
    BOOST_TEST(std::isfinite(scaling.factor.data()[4]));
  }
}

BOOST_AUTO_TEST_CASE(the_derivative_only_multiplies) {
  const Statistics of;
  const auto scaling =
      test::scaling_of<float>(of.layout, of.mean.data(), of.variance.data(), of.sum_dy.data());
  const CentredScaling<float> derivative = scaling.derivative();
  for (std::int64_t s = 0; s < of.layout.statistics(); ++s) {
    BOOST_TEST(derivative.high.data()[s] == 0);
    BOOST_TEST(derivative.factor.data()[s] == scaling.factor.data()[s]);
    BOOST_TEST(derivative.constant.data()[s] == 0);
  }
}

template <Scalar T>
void check_gradient(const Statistics& of, InstructionSet level) {
  Tensor<double> of_x(of.mean.shape(), 0.0), share(of.mean.shape(), 0.0);
  const Tensor<double> inverse = random_tensor<double>(of.mean.shape(), 7, 0.1, 3);
  for (std::int64_t s = 0; s < of.layout.statistics(); ++s) {
    const double count = of.count.data()[s / of.layout.channels];
    if (count == 0) continue;
    const double inv = inverse.data()[s];
    of_x.mutable_data()[s] = inv * inv * of.sum_dy_centred.data()[s] / count;
    share.mutable_data()[s] = of.sum_dy.data()[s] / count;
  }
  const auto expected =
      test::gradient_scaling_of<T>(of.layout, of.mean.data(), of_x.data(), share.data());
  const auto got = gradient_scaling<T>(of.layout, of.mean.data(), inverse.data(), of.count.data(),
                                       of.sum_dy.data(), of.sum_dy_centred.data(), level);
  const double rounding = 2 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::int64_t s = 0; s < of.layout.statistics(); ++s) {
    const auto near = [&](T a, T b) {
      return std::abs(static_cast<double>(a) - static_cast<double>(b)) <=
             rounding * (1 + std::abs(static_cast<double>(b)));
    };
    BOOST_TEST(near(got.of_x.data()[s], expected.of_x.data()[s]));
    BOOST_TEST(near(got.constant.data()[s], expected.constant.data()[s]));
  }
  BOOST_TEST(got.of_x.data()[of.layout.channels] == 0);
  BOOST_TEST(got.constant.data()[of.layout.channels] == 0);
}

BOOST_AUTO_TEST_CASE(gradients_run_back_through_the_statistics) {
  const Statistics of;
  for (const InstructionSet level : test::levels_here()) {
    check_gradient<float>(of, level);
    check_gradient<double>(of, level);
  }
}

// Shared out to threads.
BOOST_AUTO_TEST_CASE(small_ghost_batches_have_many) {
  const Statistics of(601);
  check_scaling<float>(of, kEpsilon, instruction_set());
  check_gradient<float>(of, instruction_set());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
