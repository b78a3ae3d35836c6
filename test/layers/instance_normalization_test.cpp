#include <lamina/layers/group_normalization.hpp>
#include <lamina/layers/instance_normalization.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/regularizers.hpp>

#include "layers/sample_normalization.hpp"

namespace lamina::test {
namespace {

BOOST_AUTO_TEST_SUITE(instance_normalization)

BOOST_AUTO_TEST_CASE(battery) {
  check_layer<InstanceNormalization>(
      {.beta_initializer = uniform(), .gamma_initializer = uniform(0.5, 1.5)}, {2, 5, 3});
  check_layer<InstanceNormalization>(
      {.axis = 1, .epsilon = 1e-5, .gamma_initializer = uniform(0.5, 1.5)}, {3, 2, 4, 5});
  check_layer<InstanceNormalization>({.axis = -2}, {2, 4, 3, 5});
  check_layer<InstanceNormalization>({.center = false}, {2, 5, 3});
  check_layer<InstanceNormalization>({.scale = false}, {2, 5, 3});
  check_layer<InstanceNormalization>({.center = false, .scale = false}, {2, 5, 3});
  check_layer<InstanceNormalization>({.gamma_regularizer = l2(0.5), .beta_constraint = non_neg()},
                                     {1, 3, 2});
}

BOOST_AUTO_TEST_CASE(it_is_what_the_definition_says) {
  const Shape input{2, 4, 6, 3};
  for (const std::int64_t axis : {1, 2, 3, -1, -2}) {
    const auto at = static_cast<std::size_t>(axis < 0 ? axis + 4 : axis);
    check_definition<InstanceNormalization>(
        {.axis = axis, .epsilon = 0.125}, input, {input[static_cast<int>(at)]},
        [=](const Index& index) {
          return Index{index[0], index[at]};
        },
        [=](const Index& index) { return Index{index[at]}; });
  }
}

BOOST_AUTO_TEST_CASE(the_same_as_a_group_for_each_channel) {
  const auto x = random_tensor<double>({3, 2, 7, 5}, 3);
  const auto initial = uniform(0.5, 1.5);
  InstanceNormalization<double> instance({.gamma_initializer = initial});
  GroupNormalization<double> groups({.groups = -1, .gamma_initializer = initial});
  BOOST_TEST(identical(applied(instance, x), applied(groups, x)));
}

BOOST_AUTO_TEST_CASE(the_example_of_the_header) {
  Rng rng(1);
  const Context<float> ctx{.rng = &rng};
  const auto x = random_tensor<float>({3, 6, 4, 5}, 1);

  InstanceNormalization<float> norm({.axis = 1});
  norm(x, ctx);
  BOOST_TEST(norm.gamma().shape().to_string() == "(6)");
}

BOOST_AUTO_TEST_CASE(names_defaults_and_members) {
  InstanceNormalization<double> layer({.beta_regularizer = l1(0.25),
                                       .gamma_regularizer = l2(0.5),
                                       .beta_constraint = non_neg(),
                                       .gamma_constraint = max_norm(2),
                                       .name = "norm"});
  BOOST_TEST(layer.type() == "instance_normalization");
  BOOST_TEST(layer.name() == "norm");
  BOOST_TEST(layer.options().axis == -1);
  BOOST_TEST(layer.options().epsilon == 1e-3);
  const auto parameters = layer.parameters();
  BOOST_TEST_REQUIRE(parameters.size() == 2u);
  BOOST_TEST(parameters[0]->path == "gamma");
  BOOST_TEST(parameters[0]->regularizer.describe().name == "l2");
  BOOST_TEST(parameters[0]->constraint.describe().name == "max_norm");
  BOOST_TEST(parameters[1]->path == "beta");
  BOOST_TEST(parameters[1]->regularizer.describe().name == "l1");
  BOOST_TEST(parameters[1]->constraint.describe().name == "non_neg");
  applied(layer, Tensor<double>::ones({2, 3, 4}));
  BOOST_TEST(layer.gamma().value().at({3}) == 1);
  BOOST_TEST(layer.beta().value().at({3}) == 0);
}

BOOST_AUTO_TEST_CASE(threads_and_training_change_no_bit) {
  check_bits<InstanceNormalization>({}, {13, 31, 29, 5});
  check_bits<InstanceNormalization>({.axis = 1}, {13, 5, 31, 29});
}

BOOST_AUTO_TEST_CASE(one_value_and_none) {
  InstanceNormalization<double> layer({.beta_initializer = constant(0.25)});
  BOOST_TEST(applied(layer, Tensor<double>({1, 1, 2}, {1e300, -3})).at({0, 0, 1}) == 0.25);
  check_empty_batch<InstanceNormalization>({}, {3, 5, 2});
  check_empty_batch<InstanceNormalization>({.axis = 1}, {3, 5, 2, 7});
  InstanceNormalization<double> without;
  BOOST_TEST(applied(without, Tensor<double>::ones({3, 0, 2})).shape().to_string() == "(3, 0, 2)");
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  refuses<ArgumentError>("[instance_normalization] axis must not be that of the batch; got 0",
                         [] { InstanceNormalization<float>({.axis = 0}); });
  refuses<ArgumentError>("[instance_normalization] epsilon must be finite and at least 0; got -1",
                         [] { InstanceNormalization<float>({.epsilon = -1}); });
}

BOOST_AUTO_TEST_CASE(inputs_are_checked) {
  InstanceNormalization<double> layer({.axis = -3});
  refuses_input(layer, {2, 6},
                "[instance_normalization] the input must have at least 3 axes (batch, positions, "
                "channels); got input (2, 6)");
  refuses_input(layer, {2, 6, 4},
                "[instance_normalization] axis must not be that of the batch; got axis -3 for "
                "input (2, 6, 4)");
  BOOST_TEST(!layer.built());
  InstanceNormalization<double> far({.axis = 3});
  refuses_input(
      far, {2, 6, 5},
      "[instance_normalization] axis must lie in [-3, 3); got axis 3 for input (2, 6, 5)");

  applied(layer, Tensor<double>::ones({2, 6, 4, 5}));
  BOOST_TEST(applied(layer, Tensor<double>::ones({3, 2, 6, 7, 1})).size() == 3 * 2 * 6 * 7);
  refuses_input(layer, {2, 4, 6, 5},
                "[instance_normalization] axis -3 must have 6 channels; got input (2, 4, 6, 5)");
  Sequential<double> net;
  net.add<InstanceNormalization>({.scale = false, .name = "norm"});
  applied(net, Tensor<double>::ones({3, 2, 4}));
  refuses_input(net, {3, 2, 6}, "[norm] axis -1 must have 4 channels; got input (3, 2, 6)");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
