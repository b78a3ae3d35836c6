#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/ops/reduction.hpp>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

namespace {

// x^3 with a derivative that is wrong by a factor, at first or at second order.
Variable<double> cube(const Variable<double>& x, double first, double second) {
  const auto value = x * x * x;
  return record<double>("cube", {x}, value.value(), save(x), [=](Backward<double>& b) {
    const Variable<double>& v = b.saved(0);
    const Variable<double> slope = (3 * first) * square(v);
    // Adds 0 to the value and (second - 1) * 6x to the derivative of the slope.
    const Variable<double> bent = slope + (second - 1) * (3 * square(v) - square(v).detached() * 3);
    b.add(0, b.gradient() * bent);
  });
}

const Tensor<double> kPoints({2, 3}, {0.5, -1.25, 2, 0.75, -0.5, 1.5});

}  // namespace

BOOST_AUTO_TEST_SUITE(gradient_checks)

BOOST_AUTO_TEST_CASE(a_right_op_passes) {
  const GradientReport report =
      gradient_check([](const auto& x) { return cube(x[0], 1, 1); }, {kPoints}, {.orders = 3});
  BOOST_TEST(report.passed);
  BOOST_TEST(report.error < 1e-8);
  BOOST_TEST(report.text.starts_with("got "));
}

BOOST_AUTO_TEST_CASE(a_wrong_gradient_is_named) {
  // Wrong in the second input alone, the more the larger the element: at (0, 2), where it is 2.
  const auto f = [](const auto& x) { return x[0] + cube(x[1], 1.25, 1); };
  const GradientReport report =
      gradient_check(f, {kPoints, kPoints}, {.orders = 1, .throws = false});
  BOOST_TEST(!report.passed);
  BOOST_TEST(report.order == 1);
  BOOST_TEST(report.input == 1);
  BOOST_TEST(std::abs(report.analytic / report.numeric - 1.25) < 1e-6);
  BOOST_CHECK_THROW(gradient_check(f, {kPoints, kPoints}), NumericError);
}

BOOST_AUTO_TEST_CASE(a_wrong_second_derivative_is_found) {
  const auto f = [](const auto& x) { return cube(x[0], 1, 1.5); };
  BOOST_TEST(gradient_check(f, {kPoints}, {.orders = 1}).passed);
  const GradientReport report = gradient_check(f, {kPoints}, {.throws = false});
  BOOST_TEST(!report.passed);
  BOOST_TEST(report.order == 2);
}

// Its own derivative agrees with differences of itself.
BOOST_AUTO_TEST_CASE(a_recorded_gradient_that_is_not_the_plain_one_is_found) {
  const auto f = [](const auto& x) {
    const Variable<double>& v = x[0];
    return record<double>("square", {v}, square(v).value(), save(v), [](Backward<double>& b) {
      b.add(0, b.gradient() * (b.with_graph() ? 1.9 : 2.0) * b.saved(0));
    });
  };
  BOOST_TEST(gradient_check(f, {kPoints}, {.orders = 1}).passed);
  const GradientReport report = gradient_check(f, {kPoints}, {.throws = false});
  BOOST_TEST(!report.passed);
  BOOST_TEST(report.order == 1);
  BOOST_TEST(std::abs(report.analytic / report.numeric - 0.95) < 1e-6);
}

// The gradient that arrives from above must be used as it is: a backward that treats it as a
// constant is right at first order only.
BOOST_AUTO_TEST_CASE(a_constant_gradient_from_above_is_found) {
  const auto f = [](const auto& x) {
    return record<double>("twice", {x[0]}, (2 * x[0]).value(), save_nothing,
                          [](Backward<double>& b) { b.add(0, 2 * b.gradient().detached()); });
  };
  BOOST_TEST(gradient_check(f, {kPoints}, {.orders = 1}).passed);
  const GradientReport report = gradient_check(f, {kPoints}, {.throws = false});
  BOOST_TEST(!report.passed);
  BOOST_TEST(report.input == 1);  // there is one input, so this is the gradient from above
  BOOST_TEST(report.text.find("the gradient from above") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_text_of_a_failure) {
  const auto f = [](const auto& x) { return cube(x[0], 2, 1); };
  const Tensor<double> one({1, 1}, {1.0});
  try {
    gradient_check(f, {one}, {.orders = 1});
    BOOST_ERROR("nothing was thrown");
  } catch (const NumericError& error) {
    const std::string text = error.what();
    BOOST_TEST(
        text.starts_with("[gradient_check] derivatives must agree with central differences; got "));
    BOOST_TEST(text.find("(order 1, input 0 at (0, 0), error ") != std::string::npos, text);
    BOOST_TEST(text.ends_with("tolerance 1e-06)"), text);
  }
}

BOOST_AUTO_TEST_CASE(not_a_number_fails) {
  const auto f = [](const auto& x) { return sqrt(x[0]); };
  BOOST_TEST(!gradient_check(f, {Tensor<double>({2}, {1, -1})}, {.throws = false}).passed);
}

BOOST_AUTO_TEST_CASE(functions_without_derivative) {
  BOOST_TEST(gradient_check([](const auto& x) { return sign(x[0]); }, {kPoints}).passed);
  BOOST_TEST(
      gradient_check([](const auto& x) { return x[0].detached(); }, {Tensor<double>::zeros({0, 3})})
          .passed);
  // A function whose value does depend on the input that it pretends not to know.
  BOOST_TEST(!gradient_check([](const auto& x) { return square(x[0].detached()); }, {kPoints},
                             {.throws = false})
                  .passed);
}

BOOST_AUTO_TEST_CASE(refusals) {
  const auto f = [](const auto& x) { return x[0]; };
  refuses<ArgumentError>("[gradient_check] orders must be at least 1; got 0",
                         [&] { gradient_check(f, {kPoints}, {.orders = 0}); });
  refuses<ArgumentError>(
      "[gradient_check] step must be positive and tolerance at least 0; got 0 and 1e-06",
      [&] { gradient_check(f, {kPoints}, {.step = 0}); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
