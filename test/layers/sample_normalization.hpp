// What the tests of layer, group and instance normalization share.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <lamina/autograd/gradient_check.hpp>
#include <map>
#include <vector>

#include "support/layer_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

using Index = std::vector<std::int64_t>;

inline Index index_of(const Shape& shape, std::int64_t element) {
  Index index(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[static_cast<std::size_t>(axis)] = element % shape[axis];
    element /= shape[axis];
  }
  return index;
}

// The definition, element by element: the statistics are those of all elements with the same
// `sample`, and `parameter` is the position of an element in gamma and beta.
inline Tensor<double> naively_normalized(const Tensor<double>& x, double epsilon,
                                         const Tensor<double>& gamma, const Tensor<double>& beta,
                                         const std::function<Index(const Index&)>& sample,
                                         const std::function<Index(const Index&)>& parameter) {
  struct Sums {
    double n = 0, mean = 0, variance = 0;
  };
  std::map<Index, Sums> samples;
  const auto for_each = [&](const auto& function) {
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const Index index = index_of(x.shape(), i);
      function(i, index, samples[sample(index)]);
    }
  };
  for_each([&](std::int64_t, const Index&, Sums& s) { s.n += 1; });
  for_each([&](std::int64_t i, const Index&, Sums& s) { s.mean += x.data()[i] / s.n; });
  for_each([&](std::int64_t i, const Index&, Sums& s) {
    s.variance += (x.data()[i] - s.mean) * (x.data()[i] - s.mean) / s.n;
  });
  const auto at = [](const Tensor<double>& values, const Index& index) {
    std::int64_t offset = 0;
    for (std::size_t a = 0; a < index.size(); ++a) {
      offset = offset * values.shape()[static_cast<int>(a)] + index[a];
    }
    return values.data()[offset];
  };
  Tensor<double> y = Tensor<double>::uninitialized(x.shape());
  for_each([&](std::int64_t i, const Index& index, Sums& s) {
    y.mutable_data()[i] =
        (x.data()[i] - s.mean) / std::sqrt(s.variance + epsilon) * at(gamma, parameter(index)) +
        at(beta, parameter(index));
  });
  return y;
}

// The layer against the definition, with drawn parameters of the given shape.
template <template <class> class Layer>
void check_definition(const typename Layer<double>::Options& options, const Shape& input,
                      const Shape& parameters, const std::function<Index(const Index&)>& sample,
                      const std::function<Index(const Index&)>& parameter) {
  BOOST_TEST_CONTEXT(Layer<double>(options).type() << " on " << input.to_string()) {
    const auto x = random_tensor<double>(input, 23, -1, 3);
    Layer<double> layer(options);
    applied(layer, x);
    BOOST_TEST_REQUIRE(layer.gamma().shape().to_string() == parameters.to_string());
    BOOST_TEST_REQUIRE(layer.beta().shape().to_string() == parameters.to_string());
    layer.gamma().assign(random_tensor<double>(parameters, 24, 0.5, 1.5));
    layer.beta().assign(random_tensor<double>(parameters, 25));
    check_close("y", applied(layer, x),
                naively_normalized(x, options.epsilon, layer.gamma().value(), layer.beta().value(),
                                   sample, parameter),
                1e-13);
  }
}

// Work large enough for more than one thread; training and inference.
template <template <class> class Layer>
void check_bits(const typename Layer<float>::Options& options, const Shape& input) {
  Sequential<float> net = battery::chain<Layer, float>(options, input, {});
  const auto x = random_tensor<float>(input, 29, -1, 3);
  const int usual = threads();
  set_threads(1);
  const auto one = battery::pass(net, x, {});
  const auto inferred = battery::pass(net, x, {.training = false});
  set_threads(2);
  const auto two = battery::pass(net, x, {});
  set_threads(usual);
  battery::check_identical("threads", two, one);
  battery::check_identical("inference", inferred, one);
}

// An input that does not fit is refused, and the layer is as before.
template <class Failure = ShapeError>
void refuses_input(Module<double>& layer, const Shape& input, const std::string& text) {
  const bool built = layer.built();
  const auto before = values_of(layer);
  refuses<Failure>(text, [&] { applied(layer, Tensor<double>::ones(input)); });
  BOOST_TEST(layer.built() == built);
  const auto after = values_of(layer);
  BOOST_TEST_REQUIRE(after.size() == before.size());
  for (const auto& [path, value] : before) {
    BOOST_TEST(after.at(path).defined() == value.defined());
    BOOST_TEST((!value.defined() || identical(after.at(path), value)), "another value of " << path);
  }
}

// gamma and beta of a batch of none: their gradient is zero, not nothing.
template <template <class> class Layer>
void check_empty_batch(const typename Layer<double>::Options& options, const Shape& input) {
  const auto net = battery::chain<Layer, double>(options, input, {});
  const auto none = battery::pass(net, Tensor<double>::zeros(input.with(0, 0)), {});
  BOOST_TEST(none.output.shape().to_string() == input.with(0, 0).to_string());
  for (const auto& gradient : none.gradients) {
    BOOST_TEST(gradient.size() > 0);
    for (const double value : gradient.values()) BOOST_TEST(value == 0);
  }
}

}  // namespace lamina::test
