#include <cmath>
#include <lamina/autograd/ops/exponential.hpp>
#include <limits>

#include "support/op_battery.hpp"

namespace lamina::test {

BOOST_AUTO_TEST_SUITE(exponential)

BOOST_AUTO_TEST_CASE(battery) {
  const auto any = unary_arguments(), positive = unary_arguments(0.3, 3);
  check_op(
      "exp", [](auto x) { return exp(x[0]); }, elementwise<1>([](double a) { return std::exp(a); }),
      any);
  check_op(
      "expm1", [](auto x) { return expm1(x[0]); },
      elementwise<1>([](double a) { return std::expm1(a); }), any);
  check_op(
      "log", [](auto x) { return log(x[0]); }, elementwise<1>([](double a) { return std::log(a); }),
      positive);
  check_op(
      "log1p", [](auto x) { return log1p(x[0]); },
      elementwise<1>([](double a) { return std::log1p(a); }), positive);
  check_op(
      "erf", [](auto x) { return erf(x[0]); }, elementwise<1>([](double a) { return std::erf(a); }),
      any);
  check_op(
      "sin", [](auto x) { return sin(x[0]); }, elementwise<1>([](double a) { return std::sin(a); }),
      any);
  check_op(
      "cos", [](auto x) { return cos(x[0]); }, elementwise<1>([](double a) { return std::cos(a); }),
      any);
  check_op("tanh", [](auto x) { return tanh(x[0]); },
           elementwise<1>([](double a) { return std::tanh(a); }), any, {.orders = 3});
  check_op("sigmoid", [](auto x) { return sigmoid(x[0]); },
           elementwise<1>([](double a) { return 1 / (1 + std::exp(-a)); }), any, {.orders = 3});
  check_op("softplus", [](auto x) { return softplus(x[0]); },
           elementwise<1>([](double a) { return std::log(1 + std::exp(a)); }), any, {.orders = 3});
}

// What a formula with exp(x) would spoil.
BOOST_AUTO_TEST_CASE(large_arguments) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor<double> x({6}, {-1000, -40, 40, 1000, infinity, -infinity});
  Tape<double> tape;
  const auto v = tape.watch(x);
  const auto slope = [&](const Variable<double>& y) {
    return tape.gradients(y, {v}, {.keep = true, .seed = Tensor<double>::ones({6})})[0].value();
  };
  const double small = std::exp(-40.0);
  check_close("sigmoid", sigmoid(v).value(), Tensor<double>({6}, {0, small, 1, 1, 1, 0}), 1e-15);
  check_close("softplus", softplus(v).value(),
              Tensor<double>({6}, {0, small, 40, 1000, infinity, 0}), 1e-15);
  BOOST_TEST(sigmoid(v).value().data()[1] == small, boost::test_tools::tolerance(1e-14));
  BOOST_TEST(softplus(v).value().data()[1] == small, boost::test_tools::tolerance(1e-14));
  check_close("sigmoid'", slope(sigmoid(v)), Tensor<double>({6}, {0, small, small, 0, 0, 0}),
              1e-15);
  check_close("softplus'", slope(softplus(v)), Tensor<double>({6}, {0, small, 1, 1, 1, 0}), 1e-15);
  check_close("tanh'", slope(tanh(v)), Tensor<double>({6}, {0, 0, 0, 0, 0, 0}), 1e-15);
}

BOOST_AUTO_TEST_CASE(outside_the_domain) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  const Variable<double> x(Tensor<double>({3}, {-2, 0, nan}));
  check_close("log", log(x).value(), Tensor<double>({3}, {nan, -infinity, nan}), 0);
  check_close("log1p", log1p(x).value(), Tensor<double>({3}, {nan, 0, nan}), 0);
  BOOST_TEST(std::isnan(exp(x).value().data()[2]));
  BOOST_TEST(std::isnan(sigmoid(x).value().data()[2]));
  BOOST_TEST(std::isnan(softplus(x).value().data()[2]));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
