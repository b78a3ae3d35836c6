#include <boost/test/unit_test.hpp>
#include <lamina/layers/activations.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/regularizers.hpp>
#include <lamina/nn/sequential.hpp>

#include "support/layer_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

// A layer of which forward is another.
struct Doubled : Dense<float> {
  using Dense<float>::Dense;
  Variable<float> forward(const Variable<float>& x, const Context<float>& ctx) const override {
    return 2.F * Dense<float>::forward(x, ctx);
  }
};

// Output and gradients of dense, then the activation.
std::vector<Tensor<float>> results(Sequential<float>& net, bool fuse) {
  Rng random(5);
  Tape<float> tape;
  auto ctx = Context<float>::for_training(tape, random);
  ctx.fuse = fuse;
  const Variable<float> x = tape.watch(random_tensor<float>({3, 5, 7}, 1));
  const Variable<float> y = net(x, ctx);
  std::vector<Variable<float>> sources{x};
  auto& layer = dynamic_cast<Dense<float>&>(net.at(0));
  sources.push_back(layer.kernel()(ctx));
  if (layer.options().use_bias) sources.push_back(layer.bias()(ctx));
  std::vector<Tensor<float>> all{y.value()};
  for (const auto& g : tape.gradients(sum(square(y)), sources)) all.push_back(g.value());
  return all;
}

BOOST_AUTO_TEST_SUITE(dense_suite)

BOOST_AUTO_TEST_CASE(battery) {
  check_layer<Dense>({.units = 5}, {3, 7});
  check_layer<Dense>({.units = 1, .use_bias = false}, {2, 3});
  check_layer<Dense>({.units = 3, .bias_initializer = uniform()}, {2, 5, 7});
  check_layer<Dense>({.units = 2}, {1, 1});
  check_layer<Dense>({.units = 2}, {2, 3, 1, 5});
  check_layer<Dense>({.units = 3,
                      .kernel_initializer = he_normal(),
                      .kernel_regularizer = l2(0.5),
                      .bias_regularizer = l1(0.25),
                      .kernel_constraint = max_norm(2),
                      .bias_constraint = non_neg(),
                      .in_features = 7},
                     {2, 7});
}

BOOST_AUTO_TEST_CASE(what_it_computes) {
  Dense<double> dense({.units = 2});
  dense.kernel().assign(Tensor<double>({3, 2}, {1, 2, 3, 4, 5, 6}));
  dense.bias().assign(Tensor<double>({2}, {0.5, -0.5}));
  const auto y = applied(dense, Tensor<double>({2, 3}, {1, 0, 2, -1, 1, 0}));
  check_close("y", y, Tensor<double>({2, 2}, {11.5, 13.5, 2.5, 1.5}), 0);
}

BOOST_AUTO_TEST_CASE(names_defaults_and_members) {
  Dense<float> dense({.units = 4, .name = "fc"});
  BOOST_TEST(dense.type() == "dense");
  BOOST_TEST(dense.name() == "fc");
  applied(dense, Tensor<float>::ones({2, 3}));
  BOOST_TEST(dense.kernel().path() == "kernel");
  BOOST_TEST(dense.kernel().shape().to_string() == "(3, 4)");
  BOOST_TEST(dense.bias().shape().to_string() == "(4)");
  BOOST_TEST(dense.options().kernel_initializer.describe().name == "glorot_uniform");
  BOOST_TEST(dense.options().bias_initializer.describe().name == "zeros");
  BOOST_TEST(dense.multiply_adds({2, 5, 3}, {2, 5, 4}) == 2 * 5 * 3 * 4);
  BOOST_TEST(Dense<float>({.units = 4, .use_bias = false}).parameters().size() == 1u);
}

BOOST_AUTO_TEST_CASE(regularizers_and_constraints_reach_the_parameters) {
  Dense<double> dense({.units = 4,
                       .kernel_regularizer = l2(0.5),
                       .bias_regularizer = l1(0.25),
                       .kernel_constraint = max_norm(2),
                       .bias_constraint = non_neg()});
  const auto parameters = dense.parameters();
  BOOST_TEST(parameters[0]->regularizer.describe().name == "l2");
  BOOST_TEST(parameters[1]->regularizer.describe().name == "l1");
  BOOST_TEST(parameters[0]->constraint.describe().name == "max_norm");
  BOOST_TEST(parameters[1]->constraint.describe().name == "non_neg");
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  refuses<ArgumentError>("[dense] units must be at least 1; got 0",
                         [] { Dense<float>({.units = 0}); });
  refuses<ArgumentError>("[dense] in_features must be at least 0; got -2",
                         [] { Dense<float>({.units = 1, .in_features = -2}); });
}

BOOST_AUTO_TEST_CASE(inputs_are_checked) {
  Dense<double> sized({.units = 2, .in_features = 5});
  refuses<ShapeError>("[dense] the last axis must have 5 features; got input (2, 3)", [&] {
    applied(sized, Tensor<double>::ones({2, 3}));
  });
  BOOST_TEST(!sized.built());
  Dense<double> dense({.units = 2});
  refuses<ShapeError>(
      "[dense] the input must have at least 2 axes (batch, ..., features); got input (5)",
      [&] { applied(dense, Tensor<double>::ones({5})); });
  applied(dense, Tensor<double>::ones({2, 3}));
  refuses<ShapeError>("[dense] the last axis must have 3 features; got input (3, 4)", [&] {
    applied(dense, Tensor<double>::ones({3, 4}));
  });
  // Inputs without features are sums of nothing.
  Dense<double> empty({.units = 2, .bias_initializer = ones()});
  BOOST_TEST(applied(empty, Tensor<double>::ones({3, 0})).at({2, 1}) == 1);
}

BOOST_AUTO_TEST_CASE(absorbs_a_plain_relu) {
  for (const bool bias : {true, false}) {
    Sequential<float> net;
    net.add<Dense>({.units = 4, .use_bias = bias, .bias_initializer = uniform()}).add<ReLU>();
    const auto fused = results(net, true), separate = results(net, false);
    BOOST_TEST_REQUIRE(fused.size() == separate.size());
    for (std::size_t i = 0; i < fused.size(); ++i) {
      BOOST_TEST(identical(fused[i], separate[i]), "result " << i);
    }
  }
}

BOOST_AUTO_TEST_CASE(absorbs_nothing_else) {
  const Dense<float> dense({.units = 4});
  const Shape input{2, 3};
  const auto absorbed = [&](const Module<float>& first, const Module<float>& next) {
    const Module<float>* followers[] = {&next};
    return first.absorbs(input, followers);
  };
  BOOST_TEST(absorbed(dense, ReLU<float>()) == 1u);
  BOOST_TEST(absorbed(dense, ReLU<float>({.max_value = 6})) == 0u);
  BOOST_TEST(absorbed(dense, ReLU<float>({.negative_slope = 0.1})) == 0u);
  BOOST_TEST(absorbed(dense, ReLU<float>({.threshold = 1})) == 0u);
  BOOST_TEST(absorbed(dense, Dense<float>({.units = 4})) == 0u);
  BOOST_TEST(absorbed(Doubled({.units = 4}), ReLU<float>()) == 0u);
  BOOST_TEST(dense.absorbs(input, {}) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
