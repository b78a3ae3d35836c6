#include <cmath>
#include <lamina/autograd/ops/activation.hpp>
#include <limits>

#include "support/op_battery.hpp"

namespace lamina::test {

namespace {

Tensor<double> slopes(const std::function<Variable<double>(const Variable<double>&)>& f,
                      const Tensor<double>& x) {
  Tape<double> tape;
  const auto v = tape.watch(x);
  return tape.gradients(f(v), {v}, {.seed = Tensor<double>::ones(x.shape())})[0].value();
}

// By the integral's own series, apart from erf and erfc.
double normal_distribution(double x) {
  double term = x, total = x;
  for (int k = 1; k < 80; ++k) {
    term *= -x * x / (2 * k);
    total += term / (2 * k + 1);
  }
  return 0.5 + total / std::sqrt(2 * std::acos(-1.0));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(activation)

BOOST_AUTO_TEST_CASE(battery) {
  const auto any = unary_arguments(-3, 3);
  check_op(
      "relu", [](auto x) { return relu(x[0]); },
      elementwise<1>([](double a) { return a > 0 ? a : 0; }), any);
  for (const double slope : {0.2, 0.0, 1.5, -0.5}) {
    check_op(
        "leaky_relu " + std::to_string(slope), [slope](auto x) { return leaky_relu(x[0], slope); },
        elementwise<1>([slope](double a) { return a > 0 ? a : slope * a; }), any);
  }
  for (const double alpha : {1.0, 0.5}) {
    check_op("elu " + std::to_string(alpha), [alpha](auto x) { return elu(x[0], alpha); },
             elementwise<1>([alpha](double a) { return a > 0 ? a : alpha * (std::exp(a) - 1); }),
             any, {.orders = 3});
  }
  check_op("gelu", [](auto x) { return gelu(x[0]); },
           elementwise<1>([](double a) { return a * normal_distribution(a); }), any, {.orders = 3});
  check_op("gelu by tanh", [](auto x) { return gelu(x[0], true); }, elementwise<1>([](double a) {
             return a / 2 *
                    (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (a + 0.044715 * a * a * a)));
           }),
           any, {.orders = 3});
  check_op("silu", [](auto x) { return silu(x[0]); },
           elementwise<1>([](double a) { return a / (1 + std::exp(-a)); }), any, {.orders = 3});
}

BOOST_AUTO_TEST_CASE(kinks) {
  const Tensor<double> zero({1}, {0.0});
  BOOST_TEST(slopes([](const auto& x) { return relu(x); }, zero).item() == 0);
  BOOST_TEST(slopes([](const auto& x) { return leaky_relu(x, 0.2); }, zero).item() == 0.2);
  BOOST_TEST(slopes([](const auto& x) { return leaky_relu(x, -0.2); }, zero).item() == -0.2);
  BOOST_TEST(slopes([](const auto& x) { return elu(x, 0.5); }, zero).item() == 0.5);
}

void check_large_arguments(double size) {
  const Tensor<double> x({2}, {-size, size});
  const Tensor<double> step({2}, {0, 1}), ramp({2}, {0, size});
  check_close("gelu", gelu(Variable<double>(x)).value(), ramp, 1e-15);
  check_close("gelu by tanh", gelu(Variable<double>(x), true).value(), ramp, 1e-15);
  check_close("silu", silu(Variable<double>(x)).value(), ramp, 1e-15);
  check_close("elu", elu(Variable<double>(x)).value(), Tensor<double>({2}, {-1, size}), 1e-15);
  check_close("gelu'", slopes([](const auto& v) { return gelu(v); }, x), step, 1e-15);
  check_close("gelu by tanh'", slopes([](const auto& v) { return gelu(v, true); }, x), step, 1e-15);
  check_close("silu'", slopes([](const auto& v) { return silu(v); }, x), step, 1e-15);
  check_close("elu'", slopes([](const auto& v) { return elu(v); }, x), step, 1e-15);

  // In a recorded pass the derivative is composed of ops, and must be as safe.
  Tape<double> tape;
  const auto v = tape.watch(x);
  for (const auto& y : {gelu(v), gelu(v, true), silu(v), elu(v)}) {
    const auto first =
        tape.gradients(y, {v}, {.create_graph = true, .seed = Tensor<double>::ones({2})})[0];
    check_close("recorded slope", first.value(), step, 1e-15);
    const auto second =
        tape.gradients(first, {v}, {.keep = true, .seed = Tensor<double>::ones({2})})[0];
    check_close("recorded curvature", second.value(), Tensor<double>({2}, {0, 0}), 1e-15);
  }
}

BOOST_AUTO_TEST_CASE(large_arguments) {
  for (const double size : {1000.0, 1e300}) check_large_arguments(size);
}

BOOST_AUTO_TEST_CASE(not_a_number_passes_through) {
  const Variable<double> x(Tensor<double>({1}, {std::nan("")}));
  BOOST_TEST(std::isnan(relu(x).item()));
  BOOST_TEST(std::isnan(leaky_relu(x, 0.1).item()));
  BOOST_TEST(std::isnan(elu(x).item()));
  BOOST_TEST(std::isnan(gelu(x).item()));
  BOOST_TEST(std::isnan(silu(x).item()));
}

// relu keeps its output, which the next layer keeps anyway, and not its input.
BOOST_AUTO_TEST_CASE(kept_memory) {
  Tape<float> tape;
  const auto x = tape.watch(Tensor<float>::ones({1000}));
  const auto y = relu(x);
  BOOST_TEST(tape.saved_bytes() == 4000);
  const auto before = tape.saved_bytes();
  (void)(y + 1);
  BOOST_TEST(tape.saved_bytes() == before);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
