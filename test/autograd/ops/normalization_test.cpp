#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <limits>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

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

// Every third place weighs nothing, so that groups of any number of places keep some.
Tensor<double> weights_of(const NormLayout& layout) {
  Tensor<double> weights =
      random_tensor<double>({layout.outer, layout.groups, layout.middle, layout.inner}, 6, 0.2, 2);
  for (std::int64_t i = 2; i < weights.size(); i += 3) weights.mutable_data()[i] = 0;
  return weights;
}

Variable<double> by_batch(const Case& c, std::span<const Variable<double>> in) {
  return normalize_by_batch(in[0], measure(in[0].value(), c.layout), in[1], in[2], 1e-3);
}

Variable<double> by_weighted_batch(const Case& c, std::span<const Variable<double>> in) {
  return normalize_by_batch(in[0], measure(in[0].value(), c.layout, weights_of(c.layout)), in[1],
                            in[2], 1e-3);
}

// The weights of the first group are 0: its statistics are constants.
Variable<double> by_batch_with_an_empty_group(const Case& c, std::span<const Variable<double>> in) {
  Tensor<double> weights = weights_of(c.layout);
  const std::int64_t places = c.layout.middle * c.layout.inner;
  for (std::int64_t i = 0; i < weights.size(); ++i) {
    if (i / places % c.layout.groups == 0) weights.mutable_data()[i] = 0;
  }
  auto batch = measure(in[0].value(), c.layout, weights);
  const Moments constants = given_moments(c.layout);
  for (std::int64_t s = 0; s < c.layout.channels; ++s) {
    batch.moments.mean.mutable_data()[s] = constants.mean.data()[s];
    batch.moments.variance.mutable_data()[s] = constants.variance.data()[s];
  }
  return normalize_by_batch(in[0], batch, in[1], in[2], 1e-3);
}

Variable<double> by_given(const Case& c, std::span<const Variable<double>> in) {
  return normalize_by_given(in[0], c.layout, given_moments(c.layout), in[1], in[2], 1e-3);
}

constexpr auto kFunctions = {by_batch, by_weighted_batch, by_batch_with_an_empty_group, by_given};

std::vector<Tensor<double>> inputs_of(const Case& c) {
  return {random_tensor<double>(c.input, 1, -2, 2),
          random_tensor<double>({c.layout.channels}, 2, 0.5, 1.5),
          random_tensor<double>({c.layout.channels}, 3)};
}

BOOST_AUTO_TEST_SUITE(normalization_ops)

BOOST_AUTO_TEST_CASE(derivatives_to_third_order_agree_with_central_differences) {
  for (const Case& c : kCases) {
    const auto inputs = inputs_of(c);
    for (const auto function : kFunctions) {
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
    for (const auto function : kFunctions) {
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
  const auto batch = measure(values[0], c.layout);
  const Variable<double> one(Tensor<double>({3}, 1.0)), zero(Tensor<double>({3}, 0.0));
  BOOST_TEST(identical(normalize_by_batch(x, batch, none, none, 1e-3).value(),
                       normalize_by_batch(x, batch, one, zero, 1e-3).value()));
  BOOST_TEST(gradient_check(
                 [&](auto in) {
                   return normalize_by_batch(in[0], measure(in[0].value(), c.layout), none, none,
                                             1e-3);
                 },
                 {values[0]})
                 .passed);
}

BOOST_AUTO_TEST_CASE(the_input_alone_is_kept_for_the_backward_pass) {
  Tape<double> tape;
  const Case& c = kCases[0];
  const auto values = inputs_of(c);
  const auto x = tape.watch(values[0]);
  normalize_by_batch(x, measure(values[0], c.layout), Variable<double>(values[1]),
                     Variable<double>(values[2]), 1e-3);
  BOOST_TEST(tape.saved_bytes() == (21 + 3) * 8);
}

// y and the gradients of x, scale and offset under a gradient `dy` from above.
std::vector<Tensor<double>> results_of(const Case& c, const std::vector<Tensor<double>>& inputs,
                                       const Tensor<double>& weights, const Tensor<double>& dy,
                                       bool create_graph) {
  Tape<double> tape;
  std::vector<Variable<double>> in;
  for (const auto& value : inputs) in.push_back(tape.watch(value));
  const auto y =
      normalize_by_batch(in[0], measure(inputs[0], c.layout, weights), in[1], in[2], 1e-3);
  std::vector<Tensor<double>> results = {y.value()};
  for (const auto& gradient : tape.gradients(y, in, {.create_graph = create_graph, .seed = dy})) {
    results.push_back(gradient.value());
  }
  return results;
}

BOOST_AUTO_TEST_CASE(examples_of_weight_zero_are_normalized_and_otherwise_absent) {
  const auto whole = random_tensor<double>({7, 3}, 1);
  auto dy = random_tensor<double>({7, 3}, 2);
  const auto scale = random_tensor<double>({3}, 3), offset = random_tensor<double>({3}, 4);
  const Case all{{.outer = 7, .channels = 3}, {7, 3}}, part{{.outer = 5, .channels = 3}, {5, 3}};
  for (std::int64_t i = 15; i < 21; ++i) dy.mutable_data()[i] = 0;
  const Tensor<double> x(part.input, whole.values().first(15));
  const auto expected = results_of(part, {x, scale, offset}, {},
                                   Tensor<double>(part.input, dy.values().first(15)), false);
  const Tensor<double> mask({7}, {1, 1, 1, 1, 1, 0, 0});
  for (const bool create_graph : {false, true}) {
    const auto results = results_of(all, {whole, scale, offset}, mask, dy, create_graph);
    const Tensor<double> y(part.input, results[0].values().first(15));
    const Tensor<double> dx(part.input, results[1].values().first(15));
    check_close("y", y, expected[0], 1e-14);
    check_close("dx", dx, expected[1], 1e-13);
    check_close("dscale", results[2], expected[2], 1e-13);
    check_close("doffset", results[3], expected[3], 1e-13);
    const Moments m = moments(x, part.layout);
    const double inverse = 1 / std::sqrt(m.variance.data()[1] + 1e-3);
    BOOST_TEST(
        results[0].at({6, 1}) ==
            (whole.at({6, 1}) - m.mean.data()[1]) * inverse * scale.data()[1] + offset.data()[1],
        boost::test_tools::tolerance(1e-13));
  }
}

// Also where dy is not 0, and in both orders of differentiation.
BOOST_AUTO_TEST_CASE(infinities_of_weight_zero_reach_their_own_y_alone) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  for (const Case& c : kCases) {
    auto inputs = inputs_of(c);
    const Tensor<double> weights = weights_of(c.layout), dy = random_tensor<double>(c.input, 9);
    std::vector<bool> poisoned(static_cast<std::size_t>(c.layout.size()));
    const std::int64_t row = c.layout.channels * c.layout.inner;
    for (std::int64_t i = 0; i < c.layout.size(); ++i) {
      if (weights.data()[i / row * c.layout.inner + i % c.layout.inner] != 0) continue;
      poisoned[static_cast<std::size_t>(i)] = true;
      inputs[0].mutable_data()[i] = i % 2 == 0 ? kNan : 1 / 0.0;
    }
    for (const bool create_graph : {false, true}) {
      const auto results = results_of(c, inputs, weights, dy, create_graph);
      for (std::size_t i = 0; i < poisoned.size(); ++i) {
        BOOST_TEST(std::isfinite(results[0].values()[i]) != poisoned[i]);
      }
      for (std::size_t k = 1; k < 4; ++k) {
        for (const double gradient : results[k].values()) BOOST_TEST(std::isfinite(gradient));
      }
    }
    const auto fused = results_of(c, inputs, weights, dy, false);
    const auto composed = results_of(c, inputs, weights, dy, true);
    for (std::size_t k = 1; k < 4; ++k) check_close("gradient", fused[k], composed[k], 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(weights_of_one_give_the_bits_of_no_weights) {
  for (const Case& c : kCases) {
    const Tensor<double> ones({c.layout.groups * c.layout.count()}, 1.0), dy(c.input, 0.5);
    const auto plain = results_of(c, inputs_of(c), {}, dy, false);
    const auto weighted = results_of(c, inputs_of(c), ones, dy, false);
    for (std::size_t k = 0; k < plain.size(); ++k) BOOST_TEST(identical(plain[k], weighted[k]));
  }
}

BOOST_AUTO_TEST_CASE(the_inverse_of_no_deviation_is_zero) {
  BOOST_TEST(inverse_deviation(4, 0) == 0.5);
  BOOST_TEST(inverse_deviation(0, 0.25) == 2);
  BOOST_TEST(inverse_deviation(0, 0) == 0);
  BOOST_TEST(std::isnan(inverse_deviation(-1, 0)));
}

// In the fused and the composed form, and in what is derived from that.
BOOST_AUTO_TEST_CASE(without_epsilon_a_channel_that_does_not_vary_is_its_offset) {
  const NormLayout layout{.outer = 7, .channels = 3};
  std::vector<Tensor<double>> inputs = inputs_of({layout, {7, 3}});
  for (std::int64_t i = 1; i < 21; i += 3) inputs[0].mutable_data()[i] = 0.1;
  const auto dy = random_tensor<double>({7, 3}, 9), v = random_tensor<double>({7, 3}, 10);
  Moments given = given_moments(layout);
  given.variance.mutable_data()[1] = 0;
  for (const bool by_moving : {false, true}) {
    std::vector<Tensor<double>> gradients[2];
    for (const bool create_graph : {false, true}) {
      Tape<double> tape;
      std::vector<Variable<double>> in;
      for (const auto& value : inputs) in.push_back(tape.watch(value));
      const auto y = by_moving
                         ? normalize_by_given(in[0], layout, given, in[1], in[2], 0)
                         : normalize_by_batch(in[0], measure(inputs[0], layout), in[1], in[2], 0);
      const auto first =
          tape.gradients(y, in, {.create_graph = create_graph, .keep = true, .seed = dy});
      for (const auto& gradient : first) gradients[create_graph].push_back(gradient.value());
      for (std::int64_t i = 0; i < 7; ++i) {
        BOOST_TEST(y.value().at({i, 1}) == inputs[2].data()[1]);
        BOOST_TEST(first[0].value().at({i, 1}) == 0);
      }
      BOOST_TEST(first[1].value().data()[1] == 0);
      if (!create_graph) continue;
      for (const auto& second : tape.gradients(first[0], in, {.seed = v})) {
        for (const double value : second.value().values()) BOOST_TEST(std::isfinite(value));
        BOOST_TEST(second.value().values()[1] == 0);
      }
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      check_close("gradient", gradients[0][i], gradients[1][i], 1e-12);
    }
  }
}

BOOST_AUTO_TEST_CASE(nothing_gives_nothing) {
  const Case c{{.outer = 0, .channels = 3}, {0, 3}};
  for (const Tensor<double>& weights : {Tensor<double>(), Tensor<double>({0}, 0.0)}) {
    const auto results = results_of(c, inputs_of(c), weights, Tensor<double>(c.input, 0.0), false);
    BOOST_TEST(results[0].size() == 0);
    BOOST_TEST(identical(results[2], Tensor<double>({3}, 0.0)));
    BOOST_TEST(identical(results[3], Tensor<double>({3}, 0.0)));
  }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_the_layout_is_refused) {
  const Variable<float> x(Tensor<float>({4, 3}, 1.0f)), two(Tensor<float>({2}, 1.0f)), none;
  const NormLayout layout{.outer = 4, .channels = 3}, other{.outer = 2, .groups = 2, .channels = 3};
  const auto batch = measure(x.value(), layout);
  refuses<ShapeError>("[normalize] the layout must cover the input; got 12 elements for input (2)",
                      [&] { normalize_by_batch(two, batch, none, none, 1e-3); });
  refuses<ShapeError>(
      "[normalize] the scale must have one value per channel; got (2), expected 3 values",
      [&] { normalize_by_batch(x, batch, two, none, 1e-3); });
  refuses<ShapeError>(
      "[normalize] the offset must have one value per channel; got (2), expected 3 values",
      [&] { normalize_by_given(x, layout, batch.moments, none, two, 1e-3); });
  refuses<ShapeError>(
      "[normalize] the moments must have one value per group and channel; got (1, 3), expected 6 "
      "values",
      [&] { normalize_by_given(x, other, batch.moments, none, none, 1e-3); });
  auto by_hand = batch;
  by_hand.weights = Tensor<float>({2}, 1.0f);
  refuses<ShapeError>("[normalize] the batch must have one weight per place; got 2, expected 4",
                      [&] { normalize_by_batch(x, by_hand, none, none, 1e-3); });
  by_hand.moments.count = {};
  refuses<ShapeError>("[normalize] the batch must have one count per group; got 0, expected 1",
                      [&] { normalize_by_batch(x, by_hand, none, none, 1e-3); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
