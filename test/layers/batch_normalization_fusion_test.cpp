// Batch normalization with the layers that it absorbs in a Sequential, against the layers one by
// one.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/activations.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/pooling.hpp>
#include <lamina/nn/sequential.hpp>
#include <limits>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Options = BatchNormalizationOptions;

Sequential<float> network(const Options& options, const ReLUOptions& relu = {},
                          const Pool2DOptions& pool = {}) {
  Sequential<float> net;
  net.add<BatchNormalization>(options).add<ReLU>(relu).add<MaxPool2D>(pool);
  return net;
}

// Three training steps' outputs and gradients, then the moving statistics and an inference.
std::vector<Tensor<float>> trained(Sequential<float> net, bool fuse) {
  std::vector<Tensor<float>> results;
  Rng random(5);
  Tape<float> tape;
  const auto& bn = dynamic_cast<const BatchNormalization<float>&>(std::as_const(net).at(0));
  for (std::uint64_t step = 0; step < 3; ++step) {
    auto ctx = Context<float>::for_training(tape, random);
    ctx.fuse = fuse;
    const auto x = tape.watch(random_tensor<float>({8, 6, 7, 5}, step, -1, 3));
    const auto y = net(x, ctx);
    results.push_back(y.value());
    const auto loss = sum(y * Variable<float>(random_tensor<float>(y.shape(), 9)));
    std::vector<Variable<float>> sources = {x};
    for (const Parameter<float>* parameter : {&bn.gamma(), &bn.beta()}) {
      if (parameter->defined() && (*parameter)(ctx).tracked()) sources.push_back((*parameter)(ctx));
    }
    for (const auto& g : tape.gradients(loss, sources)) results.push_back(g.value());
    tape.clear();
  }
  results.push_back(bn.moving_mean().value());
  results.push_back(bn.moving_variance().value());
  auto ctx = Context<float>::for_inference();
  ctx.fuse = fuse;
  results.push_back(net(random_tensor<float>({3, 6, 7, 5}, 8), ctx).value());
  return results;
}

void check(const char* what, const Sequential<float>& net) {
  const auto fused = trained(net, true), separate = trained(net, false);
  for (std::size_t i = 0; i < fused.size(); ++i) {
    check_close(std::string(what) + " " + std::to_string(i), fused[i], separate[i], 3e-5);
  }
}

std::size_t absorbed(const Sequential<float>& net, const Shape& input) {
  const Module<float>* next[] = {&net.at(1), &net.at(2)};
  return net.at(0).absorbs(input, next);
}

BOOST_AUTO_TEST_SUITE(batch_normalization_fusion)

BOOST_AUTO_TEST_CASE(gives_the_numbers_of_the_layers_one_by_one) {
  check("plain", network({}));
  check("renorm", network({.renorm = true}));
  check("ghost batches", network({.virtual_batch_size = 4}));
  check("frozen", network({.trainable = false, .use_batch_statistics = false}));
  check("batch statistics alone", network({.update_statistics = false}));
  check("without scale and center", network({.center = false, .scale = false}));
  check("two axes", network({.axis = {1, 3}}));
  check("first axis of the image", network({.axis = {1}}));
  check("another pooling", network({}, {}, {.pool = {3, 3}, .strides = {{2, 2}}}));
  check("a capped ReLU", network({}, {.max_value = 0.7}));
  const auto shifted = [](const Shape& input, auto scale, auto bias) {
    return ScaleAndBias<float>{Variable<float>(random_tensor<float>(scale(input), 1, 0.5, 1.5)),
                               Variable<float>(random_tensor<float>(bias(input), 2))};
  };
  const auto per_channel = [](const Shape& input) { return Shape{1, 1, 1, input[3]}; };
  const auto per_example = [](const Shape& input) { return Shape{input[0], 1, 1, 1}; };
  check("adjustment per channel", network({.adjustment = [=](const Shape& s) {
          return shifted(s, per_channel, per_channel);
        }}));
  check("adjustment per example", network({.adjustment = [=](const Shape& s) {
          return shifted(s, per_example, per_example);
        }}));
}

BOOST_AUTO_TEST_CASE(gives_the_numbers_of_channels_first_too) {
  const Pool2DOptions pool{.layout = Layout::channels_first};
  const auto per_example = [](const Shape& input) {
    const Shape shape{input[0], 1, 1, 1};
    return ScaleAndBias<float>{Variable<float>(random_tensor<float>(shape, 1, 0.5, 1.5)),
                               Variable<float>(random_tensor<float>(shape, 2))};
  };
  check("plain", network({.axis = {1}}, {}, pool));
  check("counted from the end", network({.axis = {-3}}, {}, pool));
  check("renorm", network({.axis = {1}, .renorm = true}, {}, pool));
  check("ghost batches", network({.axis = {1}, .virtual_batch_size = 4}, {}, pool));
  check("adjustment", network({.axis = {1}, .adjustment = per_example}, {}, pool));
  check("last axis", network({}, {}, pool));
}

BOOST_AUTO_TEST_CASE(takes_what_one_pass_can_do) {
  const Shape images{8, 6, 7, 5};
  BOOST_TEST(absorbed(network({}), images) == 2);
  BOOST_TEST(absorbed(network({.axis = {3}}), images) == 2);
  BOOST_TEST(absorbed(network({.axis = {1}}), images) == 1);
  BOOST_TEST(absorbed(network({.axis = {1, 3}}), images) == 1);
  BOOST_TEST(absorbed(network({}), {8, 5}) == 1);
  BOOST_TEST(absorbed(network({}), {8, 1, 7, 5}) == 1);
  BOOST_TEST(absorbed(network({}, {.max_value = 6}), images) == 0);
  BOOST_TEST(absorbed(network({}, {.negative_slope = 0.1}), images) == 0);
  BOOST_TEST(absorbed(network({}, {.threshold = 0.1}), images) == 0);
  BOOST_TEST(absorbed(network({}, {}, {.pool = {2, 3}}), images) == 1);
  BOOST_TEST(absorbed(network({}, {}, {.strides = {{1, 2}}}), images) == 1);
  BOOST_TEST(absorbed(network({}, {}, {.strides = {{2, 2}}}), images) == 2);
  BOOST_TEST(absorbed(network({}, {}, {.padding = Padding::same}), images) == 1);
  const Pool2DOptions first{.layout = Layout::channels_first};
  BOOST_TEST(absorbed(network({}, {}, first), images) == 1);
  BOOST_TEST(absorbed(network({.axis = {1}}, {}, first), images) == 2);
  BOOST_TEST(absorbed(network({.axis = {-3}}, {}, first), images) == 2);
  BOOST_TEST(absorbed(network({.axis = {2}}, {}, first), images) == 1);
  BOOST_TEST(absorbed(network({.axis = {1}}, {}, first), {8, 6, 7, 1}) == 1);
  const Sequential<float> net = network({});
  BOOST_TEST(net.at(0).absorbs(images, {}) == 0);
  BOOST_TEST(net.at(1).absorbs(images, {}) == 0);
}

// Layers derived from those that are computed in one pass, with a forward of their own.
struct DoublingReLU : ReLU<float> {
  Variable<float> forward(const Variable<float>& x, const Context<float>& ctx) const override {
    return ReLU<float>::forward(x, ctx) * 2.0F;
  }
};
struct RaisingNormalization : BatchNormalization<float> {
  Variable<float> forward(const Variable<float>& x, const Context<float>& ctx) const override {
    return BatchNormalization<float>::forward(x, ctx) + 1.0F;
  }
};
struct DoublingPool : MaxPool2D<float> {
  Variable<float> forward(const Variable<float>& x, const Context<float>& ctx) const override {
    return MaxPool2D<float>::forward(x, ctx) * 2.0F;
  }
};

BOOST_AUTO_TEST_CASE(derived_layers_keep_their_forward) {
  Sequential<float> activation, normalization, pooling;
  activation.add<BatchNormalization>().add(DoublingReLU());
  normalization.add(RaisingNormalization()).add<ReLU>();
  pooling.add<BatchNormalization>().add<ReLU>().add(DoublingPool());
  for (auto* net : {&activation, &normalization, &pooling}) {
    Rng random(1);
    Tape<float> tape;
    auto ctx = Context<float>::for_training(tape, random);
    const auto x = random_tensor<float>({4, 6, 6, 3}, 1);
    const auto fused = (*net)(x, ctx).value();
    ctx.fuse = false;
    check_close("y", fused, (*net)(x, ctx).value(), 1e-6);
  }
}

// The gradient of beta: that of the other channels, and of the one that NaN took over.
Tensor<float> gradient_of_beta(Sequential<float> net, const Tensor<float>& x, bool fuse,
                               bool create_graph) {
  Rng random(1);
  Tape<float> tape;
  auto ctx = Context<float>::for_training(tape, random);
  ctx.fuse = fuse;
  const auto y = net(x, ctx);
  const auto& bn = dynamic_cast<const BatchNormalization<float>&>(net.at(0));
  const auto loss = sum(y * Variable<float>(random_tensor<float>(y.shape(), 9)));
  return tape.gradients(loss, {bn.beta()(ctx)}, {.create_graph = create_graph})[0].value();
}

BOOST_AUTO_TEST_CASE(nan_has_the_gradient_of_the_layers_one_by_one) {
  auto with_pooling = network({});
  Sequential<float> without;
  without.add<BatchNormalization>().add<ReLU>();
  Tensor<float> x = random_tensor<float>({4, 6, 6, 20}, 1);
  x.mutable_data()[2] = std::numeric_limits<float>::quiet_NaN();
  Tensor<float> channels_first = random_tensor<float>({4, 2, 6, 20}, 1);
  channels_first.mutable_data()[2] = std::numeric_limits<float>::quiet_NaN();
  Sequential<float> of_runs;
  of_runs.add<BatchNormalization>({.axis = {1}}).add<ReLU>();
  const auto check = [](const Sequential<float>& net, const Tensor<float>& input) {
    const auto separate = gradient_of_beta(net, input, false, false);
    check_close("in one pass", gradient_of_beta(net, input, true, false), separate, 1e-5);
    check_close("recorded", gradient_of_beta(net, input, true, true), separate, 1e-5);
  };
  check(with_pooling, x);
  check(without, x);
  check(of_runs, channels_first);
}

struct Calls : CallObserver<float> {
  std::vector<std::string> types;
  void called(const Module<float>& module, const Variable<float>&,
              const Variable<float>&) override {
    types.push_back(module.type());
  }
};

BOOST_AUTO_TEST_CASE(an_observer_sees_every_layer) {
  auto net = network({});
  Rng random(1);
  Tape<float> tape;
  auto ctx = Context<float>::for_training(tape, random);
  Calls calls;
  ctx.observer = &calls;
  net(random_tensor<float>({4, 6, 6, 3}, 1), ctx);
  BOOST_TEST(calls.types == (std::vector<std::string>{"batch_normalization", "relu", "max_pool2d",
                                                      "sequential"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_the_pooling_refuses_is_its_own_error) {
  auto net = network({});
  Rng random(1);
  Tape<float> tape;
  const auto ctx = Context<float>::for_training(tape, random);
  refuses<ShapeError>(
      "[max_pool2d] the window must fit in the padded input; got input "
      "(4, 1, 6, 3), pool (2, 2), padding valid",
      [&] {
        net(random_tensor<float>({4, 1, 6, 3}, 1), ctx);
      });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
