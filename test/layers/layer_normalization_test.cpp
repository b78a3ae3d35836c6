#include <lamina/layers/layer_normalization.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/regularizers.hpp>
#include <limits>

#include "layers/sample_normalization.hpp"

namespace lamina::test {
namespace {

BOOST_AUTO_TEST_SUITE(layer_normalization)

BOOST_AUTO_TEST_CASE(battery) {
  check_layer<LayerNormalization>({}, {3, 7});
  check_layer<LayerNormalization>(
      {.beta_initializer = uniform(), .gamma_initializer = uniform(0.5, 1.5)}, {2, 3, 5});
  check_layer<LayerNormalization>({.axis = {1}, .gamma_initializer = uniform(0.5, 1.5)}, {2, 3, 5});
  check_layer<LayerNormalization>({.axis = {-1, 1}, .epsilon = 1e-5}, {2, 3, 5, 4});
  check_layer<LayerNormalization>({.axis = {1, 2, 3}, .gamma_initializer = uniform(0.5, 1.5)},
                                  {2, 3, 5, 4});
  // Kept axes in three runs: the only case that moves data.
  check_layer<LayerNormalization>({.axis = {1, 3}, .gamma_initializer = uniform(0.5, 1.5)},
                                  {2, 3, 1, 4, 2});
  check_layer<LayerNormalization>({.center = false}, {3, 5});
  check_layer<LayerNormalization>({.scale = false}, {3, 5});
  check_layer<LayerNormalization>({.center = false, .scale = false}, {3, 5});
  check_layer<LayerNormalization>({.gamma_regularizer = l2(0.5), .beta_constraint = non_neg()},
                                  {2, 1, 3});
}

BOOST_AUTO_TEST_CASE(it_is_what_the_definition_says) {
  const Shape input{2, 3, 5, 4, 2};
  // Every set of axes: the fused layouts and the one that transposes.
  for (unsigned mask = 1; mask < 32; ++mask) {
    std::vector<std::int64_t> axis, extents;
    for (int a = 4; a >= 0; --a) {
      if ((mask >> a & 1U) == 0) continue;
      axis.push_back(a % 2 == 0 ? a : a - 5);
      extents.insert(extents.begin(), input[a]);
    }
    const auto part = [mask](bool normalized) {
      return [mask, normalized](const Index& index) {
        Index result;
        for (std::size_t a = 0; a < index.size(); ++a) {
          if (((mask >> a & 1U) == 1) == normalized) result.push_back(index[a]);
        }
        return result;
      };
    };
    check_definition<LayerNormalization>({.axis = axis, .epsilon = 0.125}, input,
                                         Shape(std::span<const std::int64_t>(extents)), part(false),
                                         part(true));
  }
}

BOOST_AUTO_TEST_CASE(derivatives_through_the_batch_axis) {
  for (const auto& axis : std::vector<std::vector<std::int64_t>>{{0}, {0, 1}, {0, 2}}) {
    const Shape input{3, 2, 5};
    LayerNormalization<double> layer({.axis = axis, .gamma_initializer = uniform(0.5, 1.5)});
    applied(layer, Tensor<double>::ones(input));
    const auto report = gradient_check(
        [&](std::span<const Variable<double>> in) {
          return in[1] * layer(in[0] * in[1], Context<double>::for_inference());
        },
        {random_tensor<double>(input, 5), random_tensor<double>(input, 6)}, {.throws = false});
    BOOST_TEST(report.passed, report.text);
  }
}

BOOST_AUTO_TEST_CASE(the_example_of_the_header) {
  Rng rng(1);
  const Context<float> ctx{.rng = &rng};
  const auto x = random_tensor<float>({3, 5, 7}, 1);

  LayerNormalization<float> norm({.axis = {-2, -1}});
  norm(x, ctx);
  BOOST_TEST(norm.gamma().shape().to_string() == "(5, 7)");
  BOOST_TEST(norm.beta().shape().to_string() == "(5, 7)");
}

BOOST_AUTO_TEST_CASE(names_defaults_and_members) {
  LayerNormalization<double> layer({.beta_regularizer = l1(0.25),
                                    .gamma_regularizer = l2(0.5),
                                    .beta_constraint = non_neg(),
                                    .gamma_constraint = max_norm(2),
                                    .name = "norm"});
  BOOST_TEST(layer.type() == "layer_normalization");
  BOOST_TEST(layer.name() == "norm");
  BOOST_TEST((layer.options().axis == std::vector<std::int64_t>{-1}));
  BOOST_TEST(layer.options().epsilon == 1e-3);
  BOOST_TEST(layer.options().gamma_initializer.describe().name == "ones");
  BOOST_TEST(layer.options().beta_initializer.describe().name == "zeros");
  const auto parameters = layer.parameters();
  BOOST_TEST_REQUIRE(parameters.size() == 2u);
  BOOST_TEST(parameters[0]->path == "gamma");
  BOOST_TEST(parameters[0]->regularizer.describe().name == "l2");
  BOOST_TEST(parameters[0]->constraint.describe().name == "max_norm");
  BOOST_TEST(parameters[1]->path == "beta");
  BOOST_TEST(parameters[1]->regularizer.describe().name == "l1");
  BOOST_TEST(parameters[1]->constraint.describe().name == "non_neg");
  BOOST_TEST(LayerNormalization<float>({.center = false}).parameters().size() == 1u);
  BOOST_TEST(LayerNormalization<float>({.center = false, .scale = false}).built());
}

BOOST_AUTO_TEST_CASE(threads_and_training_change_no_bit) {
  check_bits<LayerNormalization>({}, {31, 37, 41});
  check_bits<LayerNormalization>({.axis = {1}}, {31, 37, 41});
  check_bits<LayerNormalization>({.axis = {1, 2}}, {31, 37, 41});
  check_bits<LayerNormalization>({.axis = {1, 3}}, {7, 11, 13, 17, 5});
}

BOOST_AUTO_TEST_CASE(one_value_and_none) {
  LayerNormalization<double> layer({.beta_initializer = constant(0.25)});
  BOOST_TEST(applied(layer, Tensor<double>({2, 1}, {1e300, -3})).at({0, 0}) == 0.25);
  check_empty_batch<LayerNormalization>({}, {3, 5});
  check_empty_batch<LayerNormalization>({.axis = {1}}, {3, 5, 2});
  check_empty_batch<LayerNormalization>({.axis = {1, 3}}, {3, 5, 2, 4, 7});
  LayerNormalization<double> without;
  BOOST_TEST(applied(without, Tensor<double>::ones({3, 0})).shape().to_string() == "(3, 0)");
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  refuses<ArgumentError>(
      "[layer_normalization] axis must name at least one axis; got an empty list",
      [] { LayerNormalization<float>({.axis = {}}); });
  refuses<ArgumentError>("[layer_normalization] epsilon must be finite and at least 0; got -0.5",
                         [] { LayerNormalization<float>({.epsilon = -0.5}); });
  refuses<ArgumentError>(
      "[layer_normalization] epsilon must be finite and at least 0; got nan",
      [] { LayerNormalization<float>({.epsilon = std::numeric_limits<double>::quiet_NaN()}); });
}

BOOST_AUTO_TEST_CASE(inputs_are_checked) {
  LayerNormalization<double> layer({.axis = {2, -2}});
  refuses_input(layer, {3, 5},
                "[layer_normalization] axis must lie in [-2, 2); got axis 2 for input (3, 5)");
  refuses_input(layer, {},
                "[layer_normalization] the input must have at least one axis; got a "
                "scalar");
  refuses_input(layer, {3, 5, 2, 7},
                "[layer_normalization] axes must differ; got one axis twice for input (3, 5, 2, "
                "7)");
  BOOST_TEST(!layer.built());
  applied(layer, Tensor<double>::ones({3, 5, 2}));
  BOOST_TEST(applied(layer, Tensor<double>::ones({7, 5, 2})).size() == 70);
  refuses_input(layer, {3, 5, 3},
                "[layer_normalization] the normalized axes must have the extents (5, 2); got "
                "input (3, 5, 3)");
  refuses_input(layer, {3, 2, 5},
                "[layer_normalization] the normalized axes must have the extents (5, 2); got "
                "input (3, 2, 5)");
  Sequential<double> net;
  net.add<LayerNormalization>({.scale = false, .name = "norm"});
  applied(net, Tensor<double>::ones({3, 5}));
  refuses_input(net, {3, 4},
                "[norm] the normalized axes must have the extents (5); got input (3, 4)");
  // Without parameters every input fits.
  LayerNormalization<double> plain({.center = false, .scale = false});
  applied(plain, Tensor<double>::ones({3, 5}));
  BOOST_TEST(applied(plain, Tensor<double>::ones({3, 4})).size() == 12);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
