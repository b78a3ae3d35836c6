#include <boost/test/unit_test.hpp>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tensor/error.hpp>

#include "support/numbers.hpp"

namespace lamina::test {
namespace {

struct Case {
  NormLayout layout;
  Shape input;
};

const std::vector<Case> kCases = {
    {{.outer = 7, .channels = 3}, {7, 3}},
    {{.outer = 2, .channels = 3, .inner = 5}, {2, 3, 5}},
    {{.outer = 2, .middle = 3, .channels = 2}, {2, 3, 2}},
    {{.outer = 3, .groups = 2, .channels = 2}, {6, 2}},
    {{.outer = 2, .groups = 2, .middle = 3, .channels = 2, .inner = 2}, {4, 3, 2, 2}},
    {{.channels = 3}, {3}},
};

Moments given_moments(const NormLayout& layout) {
  return {random_tensor<double>({layout.groups, layout.channels}, 4),
          random_tensor<double>({layout.groups, layout.channels}, 5, 0.5, 2)};
}

Variable<double> by_batch(const Case& c, std::span<const Variable<double>> in) {
  return normalize_by_batch(in[0], c.layout, moments(in[0].value(), c.layout), in[1], in[2], 1e-3);
}

Variable<double> by_given(const Case& c, std::span<const Variable<double>> in) {
  return normalize_by_given(in[0], c.layout, given_moments(c.layout), in[1], in[2], 1e-3);
}

std::vector<Tensor<double>> inputs_of(const Case& c) {
  return {random_tensor<double>(c.input, 1, -2, 2),
          random_tensor<double>({c.layout.channels}, 2, 0.5, 1.5),
          random_tensor<double>({c.layout.channels}, 3)};
}

BOOST_AUTO_TEST_SUITE(normalization_ops)

BOOST_AUTO_TEST_CASE(derivatives_to_third_order_agree_with_central_differences) {
  for (const Case& c : kCases) {
    const auto inputs = inputs_of(c);
    for (const auto function : {by_batch, by_given}) {
      const auto report =
          gradient_check([&](auto in) { return function(c, in); }, inputs, {.orders = 3});
      BOOST_TEST(report.passed, report.text);
    }
  }
}

// The closed form and the composed one are two programs for one derivative.
BOOST_AUTO_TEST_CASE(the_fused_backward_equals_the_composed_one) {
  for (const Case& c : kCases) {
    const auto values = inputs_of(c);
    const Tensor<double> seed = random_tensor<double>(c.input, 9);
    for (const auto function : {by_batch, by_given}) {
      std::vector<Variable<double>> results[2];
      for (const bool create_graph : {false, true}) {
        Tape<double> tape;
        std::vector<Variable<double>> in;
        for (const auto& value : values) in.push_back(tape.watch(value));
        results[create_graph] =
            tape.gradients(function(c, in), in, {.create_graph = create_graph, .seed = seed});
      }
      for (std::size_t i = 0; i < values.size(); ++i) {
        check_close("input " + std::to_string(i), results[0][i].value(), results[1][i].value(),
                    1e-12);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(absent_coefficients_stand_for_one_and_zero) {
  const Case& c = kCases[1];
  const auto values = inputs_of(c);
  const Variable<double> x(values[0]), none;
  const Moments m = moments(values[0], c.layout);
  const Variable<double> one(Tensor<double>({3}, 1.0)), zero(Tensor<double>({3}, 0.0));
  BOOST_TEST(identical(normalize_by_batch(x, c.layout, m, none, none, 1e-3).value(),
                       normalize_by_batch(x, c.layout, m, one, zero, 1e-3).value()));
  BOOST_TEST(gradient_check(
                 [&](auto in) {
                   return normalize_by_batch(in[0], c.layout, moments(in[0].value(), c.layout),
                                             none, none, 1e-3);
                 },
                 {values[0]})
                 .passed);
}

BOOST_AUTO_TEST_CASE(the_input_alone_is_kept_for_the_backward_pass) {
  Tape<double> tape;
  const Case& c = kCases[0];
  const auto values = inputs_of(c);
  const auto x = tape.watch(values[0]);
  normalize_by_batch(x, c.layout, moments(values[0], c.layout), Variable<double>(values[1]),
                     Variable<double>(values[2]), 1e-3);
  BOOST_TEST(tape.saved_bytes() == (21 + 3) * 8);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_the_layout_is_refused) {
  const Variable<float> x(Tensor<float>({4, 3}, 1.0f)), two(Tensor<float>({2}, 1.0f)), none;
  const NormLayout layout{.outer = 4, .channels = 3}, other{.outer = 5, .channels = 3};
  const Moments m = moments(x.value(), layout);
  const auto says = [](const std::string& text) {
    return [text](const ShapeError& error) {
      BOOST_TEST(error.what() == text);
      return true;
    };
  };
  BOOST_CHECK_EXCEPTION(moments(x.value(), other), ShapeError,
                        says("[normalize] the layout must cover the input; got 15 elements for "
                             "input (4, 3)"));
  BOOST_CHECK_EXCEPTION(normalize_by_batch(x, layout, m, two, none, 1e-3), ShapeError,
                        says("[normalize] the scale must have one value per channel; got (2), "
                             "expected 3 values"));
  BOOST_CHECK_EXCEPTION(normalize_by_given(x, layout, m, none, two, 1e-3), ShapeError,
                        says("[normalize] the offset must have one value per channel; got (2), "
                             "expected 3 values"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
