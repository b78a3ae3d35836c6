#include <cmath>
#include <lamina/autograd/ops/arithmetic.hpp>

#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

BOOST_AUTO_TEST_SUITE(arithmetic)

BOOST_AUTO_TEST_CASE(two_operands) {
  check_op(
      "add", [](auto x) { return x[0] + x[1]; },
      elementwise<2>([](double a, double b) { return a + b; }), binary_arguments());
  check_op(
      "subtract", [](auto x) { return x[0] - x[1]; },
      elementwise<2>([](double a, double b) { return a - b; }), binary_arguments());
  check_op(
      "multiply", [](auto x) { return x[0] * x[1]; },
      elementwise<2>([](double a, double b) { return a * b; }), binary_arguments());
  check_op(
      "divide", [](auto x) { return x[0] / x[1]; },
      elementwise<2>([](double a, double b) { return a / b; }), binary_arguments(0.5, 2));
  check_op(
      "pow", [](auto x) { return pow(x[0], x[1]); },
      elementwise<2>([](double a, double b) { return std::pow(a, b); }), binary_arguments(0.5, 2));
}

BOOST_AUTO_TEST_CASE(one_operand_and_a_number) {
  const auto lists = unary_arguments(0.5, 2);
  check_op(
      "x + 3", [](auto x) { return x[0] + 3; }, elementwise<1>([](double a) { return a + 3; }),
      lists);
  check_op(
      "3 + x", [](auto x) { return 3 + x[0]; }, elementwise<1>([](double a) { return a + 3; }),
      lists);
  check_op(
      "x - 3", [](auto x) { return x[0] - 3; }, elementwise<1>([](double a) { return a - 3; }),
      lists);
  check_op(
      "3 - x", [](auto x) { return 3 - x[0]; }, elementwise<1>([](double a) { return 3 - a; }),
      lists);
  check_op(
      "x * 2.5", [](auto x) { return x[0] * 2.5; },
      elementwise<1>([](double a) { return a * 2.5; }), lists);
  check_op(
      "2.5 * x", [](auto x) { return 2.5 * x[0]; },
      elementwise<1>([](double a) { return a * 2.5; }), lists);
  check_op(
      "x / 3", [](auto x) { return x[0] / 3; }, elementwise<1>([](double a) { return a / 3; }),
      lists);
  check_op(
      "3 / x", [](auto x) { return 3 / x[0]; }, elementwise<1>([](double a) { return 3 / a; }),
      lists);
  for (const double p : {-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.5}) {
    check_op(
        "pow(x, " + std::to_string(p) + ")", [p](auto x) { return pow(x[0], p); },
        elementwise<1>([p](double a) { return std::pow(a, p); }), lists);
  }
}

BOOST_AUTO_TEST_CASE(one_operand) {
  const auto positive = unary_arguments(0.5, 2), any = unary_arguments();
  check_op(
      "negate", [](auto x) { return -x[0]; }, elementwise<1>([](double a) { return -a; }), any);
  check_op(
      "abs", [](auto x) { return abs(x[0]); },
      elementwise<1>([](double a) { return a < 0 ? -a : a; }), any);
  check_op(
      "sign", [](auto x) { return sign(x[0]); },
      elementwise<1>([](double a) { return a < 0   ? -1.0
                                           : a > 0 ? 1.0
                                                   : 0.0; }), any);
  check_op(
      "square", [](auto x) { return square(x[0]); }, elementwise<1>([](double a) { return a * a; }),
      any);
  check_op(
      "sqrt", [](auto x) { return sqrt(x[0]); },
      elementwise<1>([](double a) { return std::sqrt(a); }), positive);
  check_op(
      "rsqrt", [](auto x) { return rsqrt(x[0]); },
      elementwise<1>([](double a) { return 1 / std::sqrt(a); }), positive);
  check_op(
      "reciprocal", [](auto x) { return reciprocal(x[0]); },
      elementwise<1>([](double a) { return 1 / a; }), positive);
}

BOOST_AUTO_TEST_CASE(the_slope_of_a_power_by_its_exponent_is_0_at_base_0) {
  for (const double exponent : {-1.0, 0.0, 2.0}) {
    Tape<double> tape;
    const auto p = tape.watch(Tensor<double>({1}, {exponent}));
    const auto y = pow(Variable<double>(Tensor<double>({1}, {0.0})), p);
    BOOST_TEST(tape.gradients(y, {p})[0].item() == 0);
  }
}

BOOST_AUTO_TEST_CASE(adding_in_place_needs_equal_shapes) {
  Tensor<double> sum({4}, 1.0);
  for (const Shape& shape : {Shape{2}, Shape{8}, Shape{1}}) {
    refuses<ShapeError>("[add_in_place] the addend must have the sum's shape; got " +
                            shape.to_string() + ", expected (4)",
                        [&] { add_in_place(sum, Tensor<double>(shape, 1.0)); });
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
