// How exact the moving statistics are at any ratio of mean to deviation and any number of values,
// and what becomes of batches without deviation: empty ones, one value per channel, equal values.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/nn/initializers.hpp>
#include <lamina/serialization/state_dict.hpp>

#include "layers/batch_normalization_cases.hpp"

namespace lamina::test {
namespace {

using Types = std::tuple<float, double>;

template <Scalar T>
constexpr double kPrecision = std::is_same_v<T, float> ? 1e-6 : 1e-12;

// `channel` of an element; all of it in long double.
template <Scalar T, class Channel>
void check_statistics(const BatchNormalizationOptions& given, const Tensor<T>& x,
                      std::size_t channels, const Channel& channel) {
  BatchNormalizationOptions options = given;
  options.momentum = 0;
  options.variance_estimator = VarianceEstimator::biased;
  BatchNormalization<T> layer(options);
  Rng rng(1);
  layer(x, {.training = true, .rng = &rng});

  std::vector<long double> count(channels), mean(channels), variance(channels);
  for (std::int64_t i = 0; i < x.size(); ++i) count[channel(i)] += 1;
  for (std::int64_t i = 0; i < x.size(); ++i) mean[channel(i)] += x.data()[i];
  for (std::size_t c = 0; c < channels; ++c) mean[c] /= count[c];
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const long double difference = x.data()[i] - mean[channel(i)];
    variance[channel(i)] += difference * difference / count[channel(i)];
  }
  for (std::size_t c = 0; c < channels; ++c) {
    const auto exact_mean = static_cast<double>(mean[c]);
    const auto exact_variance = static_cast<double>(variance[c]);
    BOOST_TEST(std::abs(layer.moving_mean().value().values()[c] - exact_mean) <=
               kPrecision<T> * std::max(std::abs(exact_mean), std::sqrt(exact_variance)));
    BOOST_TEST(std::abs(layer.moving_variance().value().values()[c] - exact_variance) <=
               kPrecision<T> * exact_variance);
  }
}

BOOST_AUTO_TEST_SUITE(batch_normalization_accuracy)

BOOST_AUTO_TEST_CASE_TEMPLATE(statistics_are_exact_at_any_ratio_of_mean_to_deviation, T, Types) {
  for (const double ratio : {1.0, 1e3, 1e6}) {
    for (const std::int64_t outer : {1, 2, 300}) {
      for (const std::int64_t inner : {1, 2, 57}) {
        const Shape shape{outer, 3, inner};
        Tensor<T> x = Tensor<T>::uninitialized(shape);
        Rng(3).stream("x", 0).fill_normal(x.mutable_values(), ratio, 1.0);
        const auto middle = [=](std::int64_t i) { return static_cast<std::size_t>(i / inner % 3); };
        const auto last = [=](std::int64_t i) { return static_cast<std::size_t>(i % inner); };
        const auto ends = [=](std::int64_t i) {
          return static_cast<std::size_t>(i / (3 * inner) * inner + i % inner);
        };
        BOOST_TEST_CONTEXT("ratio " << ratio << ", shape " << shape.to_string()) {
          check_statistics<T>({.axis = {1}}, x, 3, middle);
          check_statistics<T>({}, x, static_cast<std::size_t>(inner), last);
          check_statistics<T>({.axis = {0, 2}}, x, static_cast<std::size_t>(outer * inner), ends);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(statistics_of_ten_million_values_are_exact, T, Types) {
  Tensor<T> x = Tensor<T>::uninitialized({2500, 4000, 1});
  for (std::int64_t i = 0; i < x.size(); ++i) {
    x.mutable_data()[i] = static_cast<T>(1e6 + static_cast<double>(i * 7919 % 65) / 16);
  }
  check_statistics<T>({}, x, 1, [](std::int64_t) { return std::size_t{0}; });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_empty_batch_changes_nothing, T, Types) {
  const Shape input{6, 3, 4, 2}, empty = input.with(0, 0);
  for (const Kind& kind : kinds<T>()) {
    if (kind.options.axis.front() == 0) continue;
    BOOST_TEST_CONTEXT(kind.name) {
      BatchNormalization<T> layer = drawn_layer<T>(kind.options, input);
      const StateDict before = state_of(layer);
      for (const bool create_graph : {false, true}) {
        Tape<T> tape;
        const auto x = tape.watch(Tensor<T>(empty, T{1}));
        const auto y = layer(x, {.tape = &tape, .training = true}, call_of<T>(kind, empty));
        BOOST_TEST(y.shape().to_string() == empty.to_string());
        std::vector<Variable<T>> in = {x};
        for (const auto& parameter : layer.parameters()) in.push_back(tape.watch(parameter));
        const auto gradients =
            tape.gradients(y, in, {.create_graph = create_graph, .seed = Tensor<T>(empty, T{1})});
        for (const auto& gradient : gradients) {
          for (const T value : gradient.value().values()) BOOST_TEST(value == 0);
        }
      }
      BOOST_TEST(identical(state_of(layer), before));
    }
  }
}

// The derivatives to second order, fused and recorded.
template <Scalar T>
void require_finite_and_beta(const Kind& kind, const Tensor<T>& x, bool exactly_beta) {
  BatchNormalization<T> layer(kind.options);
  Rng rng(1);
  layer(x, {.updates = StateUpdates::discard, .rng = &rng});
  if (layer.beta().defined()) layer.beta().assign(drawn<T>(layer.beta().shape(), "beta"));
  const T* beta = layer.beta().value().data();
  const std::int64_t channels = layer.beta().shape().size();
  for (const bool create_graph : {false, true}) {
    Tape<T> tape;
    const auto input = tape.watch(x);
    const auto y =
        layer(input, {.tape = &tape, .training = true, .step = 2}, call_of<T>(kind, x.shape()));
    std::vector<Variable<T>> in = {input};
    for (const auto& parameter : layer.parameters()) in.push_back(tape.watch(parameter));
    auto results = tape.gradients(
        y, in, {.create_graph = create_graph, .keep = true, .seed = drawn<T>(x.shape(), "dy")});
    if (create_graph) {
      for (auto& second : tape.gradients(sum(results[0]), in)) results.push_back(second);
    }
    for (const T value : results[0].value().values()) BOOST_TEST(value == 0);
    results.push_back(y);
    results.push_back(layer(x, {.updates = StateUpdates::discard}, {.bank = kind.bank}));
    for (const auto& result : results) {
      for (const T value : result.value().values()) BOOST_TEST(std::isfinite(value));
    }
    if (!exactly_beta) continue;
    // Channels last or all alike.
    for (std::int64_t i = 0; i < x.size(); ++i) {
      BOOST_TEST(y.value().data()[i] == beta[i % channels]);
    }
  }
  for (const auto& [name, value] : values_of(layer)) {
    for (const T v : value.values()) BOOST_TEST(std::isfinite(v), name);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_value_per_channel_gives_beta_and_no_gradient, T, Types) {
  for (Kind kind : kinds<T>()) {
    for (const double epsilon : {1e-3, 0.0}) {
      const bool ghost = kind.options.virtual_batch_size.has_value();
      kind.options.epsilon = epsilon;
      if (ghost) kind.options.virtual_batch_size = 1;
      // Each ghost batch holds one value per channel; two examples are alike to the others.
      const bool last = kind.options.axis == std::vector<std::int64_t>{-1};
      const Tensor<T> x = drawn<T>(
          last && !kind.masked ? Shape{ghost ? 2 : 1, 1, 1, 3} : Shape{1, 1, 1, 1}, "x", 5, 2);
      const bool corrected = kind.options.renorm || kind.options.adjustment;
      BOOST_TEST_CONTEXT(kind.name << ", epsilon " << epsilon) {
        require_finite_and_beta<T>(kind, x, !corrected && last);
      }
    }
  }
}

// With epsilon = 0, and with a renorm state that has no deviation either: 0 / 0 everywhere.
BOOST_AUTO_TEST_CASE_TEMPLATE(equal_values_without_epsilon_give_beta_and_no_gradient, T, Types) {
  const Shape input{6, 3, 4, 2};
  for (Kind kind : kinds<T>()) {
    kind.options.epsilon = 0;
    for (const bool deviated_before : {true, false}) {
      if (!deviated_before) kind.options.moving_variance_initializer = zeros();
      const bool exactly_beta = kind.options.axis == std::vector<std::int64_t>{-1} &&
                                !kind.options.adjustment &&
                                !(deviated_before && kind.options.renorm);
      BOOST_TEST_CONTEXT(kind.name << ", deviated before: " << deviated_before) {
        require_finite_and_beta<T>(kind, Tensor<T>(input, static_cast<T>(0.1)), exactly_beta);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
