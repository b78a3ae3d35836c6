// Everything that is tested about a layer, in one call:
//
//   check_layer<Dense>({.units = 4}, {3, 7});
//
// The layer stands between two parametric ones. Checked are
//   * first and second derivative of the whole chain, in the input and in every parameter, against
//     central differences
//   * float against double; the same bits with and without a tape, on one and on two threads
//   * a copy: the same bits, and independent of its source
//   * a layer made again from its written options by the registry: the same options and bits
//   * a batch of none, and one example as its row in a batch
#pragma once

#include <boost/test/unit_test.hpp>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/layers/registry.hpp>
#include <lamina/nn/sequential.hpp>

#include "support/modules.hpp"
#include "support/numbers.hpp"
#include "support/option_store.hpp"

namespace lamina::test {

struct LayerCheck {
  int orders = 2;
  double tolerance = 1e-6;        // of the derivatives
  double float_tolerance = 1e-5;  // of float against double
  double low = -1, high = 1;      // of the random input
  bool training = true;
  bool examples_apart = true;  // whether the rows of a batch have nothing to do with each other
  bool draws = false;          // whether the output depends on random numbers
};

namespace battery {

template <Scalar T>
Context<T> context(Rng& rng, const LayerCheck& check, Tape<T>* tape = nullptr) {
  return {.tape = tape,
          .training = check.training,
          .updates = StateUpdates::discard,
          .rng = &rng,
          .step = 3};
}

// The layer between two others, built.
template <template <class> class Layer, Scalar T>
Sequential<T> chain(const typename Layer<T>::Options& options, const Shape& input,
                    const LayerCheck& check) {
  Sequential<T> net;
  net.add(Scale<T>("before")).add(Layer<T>(options)).add(Scale<T>("after"));
  Rng rng(11);
  net(Tensor<T>::ones(input), context<T>(rng, check));
  return net;
}

inline void check_derivatives(Sequential<double> net, const Tensor<double>& x,
                              const LayerCheck& check) {
  const auto parameters = net.parameters();
  std::vector<Tensor<double>> inputs{x};
  for (const auto& parameter : parameters) inputs.push_back(parameter->value);
  Rng rng(11);
  // The variables of the check take the place of the parameters: as leaves of their tape.
  const auto function = [&](std::span<const Variable<double>> values) {
    Tape<double>* tape = nullptr;
    for (const auto& value : values) {
      if (value.tracked()) tape = static_cast<Tape<double>*>(value.anchor().slot->tape);
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i]->value = values[i + 1].value();
      parameters[i]->anchor = values[i + 1].anchor();
    }
    return net(values[0], context<double>(rng, check, tape));
  };
  const GradientReport report = gradient_check(
      function, inputs, {.orders = check.orders, .tolerance = check.tolerance, .throws = false});
  BOOST_TEST(report.passed, "derivatives must agree with differences; " << report.text);
}

template <Scalar T>
struct Pass {
  Tensor<T> output, input_gradient;
  std::vector<Tensor<T>> gradients;
};

template <Scalar T>
Pass<T> pass(Sequential<T> net, const Tensor<T>& x, const LayerCheck& check) {
  Rng rng(11);
  Tape<T> tape;
  const auto input = std::make_shared<Leaf<T>>();
  input->value = x;
  const auto y = net(tape.watch(input), context<T>(rng, check, &tape));
  Pass<T> result{y.value(), {}, {}};
  Tensor<T> seed = Tensor<T>::uninitialized(y.shape());
  for (std::int64_t i = 0; i < seed.size(); ++i) {
    seed.mutable_data()[i] = static_cast<T>(0.3 + 0.07 * static_cast<double>(i % 11));
  }
  tape.backward(y, {.seed = seed});
  result.input_gradient = input->gradient;
  for (const auto& parameter : net.parameters()) result.gradients.push_back(parameter->gradient);
  return result;
}

template <Scalar T>
void check_identical(const std::string& what, const Pass<T>& a, const Pass<T>& b) {
  BOOST_TEST(identical(a.output, b.output), what << ": other bits of the output");
  BOOST_TEST(identical(a.input_gradient, b.input_gradient), what << ": another gradient of x");
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    BOOST_TEST(identical(a.gradients[i], b.gradients[i]),
               what << ": another gradient of parameter " << i);
  }
}

template <template <class> class Layer>
void check_float(const typename Layer<double>::Options& options, const Sequential<double>& net,
                 const Tensor<double>& x, const LayerCheck& check) {
  // Parameters and input are rounded first, so that only the layer's own rounding is compared.
  auto single = chain<Layer, float>(options, x.shape(), check);
  Sequential<double> rounded = net;
  const auto from = rounded.parameters();
  const auto to = single.parameters();
  BOOST_TEST_REQUIRE(from.size() == to.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i]->assign(from[i]->value.cast<float>());
    from[i]->assign(to[i]->value.template cast<double>());
  }
  const auto x32 = x.cast<float>();
  const auto exact = pass(rounded, x32.cast<double>(), check);
  const auto inexact = pass(single, x32, check);
  check_close("output in float", inexact.output.template cast<double>(), exact.output,
              check.float_tolerance);
  check_close("gradient of x in float", inexact.input_gradient.template cast<double>(),
              exact.input_gradient, check.float_tolerance);
  for (std::size_t i = 0; i < exact.gradients.size(); ++i) {
    if (!exact.gradients[i].defined()) continue;
    check_close("gradient " + std::to_string(i) + " in float",
                inexact.gradients[i].template cast<double>(), exact.gradients[i],
                10 * check.float_tolerance);
  }
}

inline void check_copies(const Sequential<double>& net, const Tensor<double>& x,
                         const LayerCheck& check) {
  const auto expected = pass(net, x, check);
  Rng rng(11);
  const auto ctx = context<double>(rng, check);
  BOOST_TEST(identical(net(x, ctx).value(), expected.output), "the same without a tape");
  Sequential<double> copy = net;
  BOOST_TEST(same_values(copy, net));
  for (const auto& parameter : copy.parameters()) {
    parameter->assign(Tensor<double>::zeros(parameter->value.shape()));
  }
  check_identical("after a copy was changed", pass(net, x, check), expected);

  const int usual = threads();
  set_threads(1);
  const auto one = pass(net, x, check);
  set_threads(2);
  const auto two = pass(net, x, check);
  set_threads(usual);
  check_identical("threads", two, one);
}

inline void check_options(Sequential<double> net, const Tensor<double>& x,
                          const LayerCheck& check) {
  static const auto registry = standard_registry<double>();
  Module<double>& layer = net.at(1);
  OptionStore written, again;
  layer.visit_options(written);
  Sequential<double> made;
  made.append(ModulePointer<double>(Scale<double>()), "before");
  made.append(registry.make(layer.type(), written.reading()), net.name_at(1));
  made.append(ModulePointer<double>(Scale<double>()), "after");
  made.at(1).visit_options(again);
  BOOST_TEST(texts_of(again) == texts_of(written));
  const auto from = net.parameters();
  const auto to = made.parameters();
  BOOST_TEST_REQUIRE(from.size() == to.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    BOOST_TEST(to[i]->path == from[i]->path);
    to[i]->assign(from[i]->value);
  }
  // Buffers and what else there is appears as the first layer's does: drawn from the same paths.
  Rng rng(11);
  made(Tensor<double>::ones(x.shape()), context<double>(rng, check));
  check_identical("made from its options", pass(made, x, check), pass(net, x, check));
}

inline void check_batches(const Sequential<double>& net, const Tensor<double>& x,
                          const LayerCheck& check) {
  const auto whole = pass(net, x, check);
  const auto none = pass(net, Tensor<double>::zeros(x.shape().with(0, 0)), check);
  BOOST_TEST(none.output.shape().to_string() == whole.output.shape().with(0, 0).to_string());
  if (!check.examples_apart || check.draws) return;
  const std::int64_t examples = x.shape()[0], size = x.size() / examples;
  const std::int64_t out = whole.output.size() / examples;
  for (std::int64_t i = 0; i < examples; ++i) {
    const Tensor<double> row(
        x.shape().with(0, 1),
        x.values().subspan(static_cast<std::size_t>(i * size), static_cast<std::size_t>(size)));
    const Tensor<double> expected(whole.output.shape().with(0, 1),
                                  whole.output.values().subspan(static_cast<std::size_t>(i * out),
                                                                static_cast<std::size_t>(out)));
    check_close("example " + std::to_string(i), pass(net, row, check).output, expected, 1e-13);
  }
}

}  // namespace battery

template <template <class> class Layer>
void check_layer(const typename Layer<double>::Options& options, const Shape& input,
                 const LayerCheck& check = {}) {
  BOOST_TEST_CONTEXT(Layer<double>(options).type() << " on " << input.to_string()) {
    const auto net = battery::chain<Layer, double>(options, input, check);
    const auto x = random_tensor<double>(input, 17, check.low, check.high);
    battery::check_derivatives(net, x, check);
    battery::check_float<Layer>(options, net, x, check);
    battery::check_copies(net, x, check);
    battery::check_options(net, x, check);
    battery::check_batches(net, x, check);
  }
}

// The output of a layer that needs no random numbers.
template <Scalar T>
Tensor<T> applied(Module<T>& layer, const Tensor<T>& x) {
  Rng rng(1);
  auto ctx = Context<T>::for_inference();
  ctx.rng = &rng;
  return layer(x, ctx).value();
}
template <Scalar T>
Tensor<T> applied(Module<T>&& layer, const Tensor<T>& x) {
  return applied(layer, x);
}

}  // namespace lamina::test
