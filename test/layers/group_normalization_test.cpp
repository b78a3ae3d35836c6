#include <lamina/layers/group_normalization.hpp>
#include <lamina/layers/instance_normalization.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/regularizers.hpp>

#include "layers/sample_normalization.hpp"

namespace lamina::test {
namespace {

BOOST_AUTO_TEST_SUITE(group_normalization)

BOOST_AUTO_TEST_CASE(battery) {
  check_layer<GroupNormalization>({.groups = 2, .gamma_initializer = uniform(0.5, 1.5)}, {3, 10});
  check_layer<GroupNormalization>(
      {.groups = 3, .beta_initializer = uniform(), .gamma_initializer = uniform(0.5, 1.5)},
      {2, 5, 6});
  check_layer<GroupNormalization>(
      {.groups = 2, .axis = 1, .epsilon = 1e-5, .gamma_initializer = uniform(0.5, 1.5)},
      {3, 4, 2, 5});
  check_layer<GroupNormalization>({.groups = 2, .axis = -2}, {3, 2, 4, 5});
  check_layer<GroupNormalization>({.groups = 1, .gamma_initializer = uniform(0.5, 1.5)}, {3, 2, 5});
  check_layer<GroupNormalization>({.groups = -1, .gamma_initializer = uniform(0.5, 1.5)},
                                  {2, 3, 5});
  check_layer<GroupNormalization>({.groups = 5, .gamma_initializer = uniform(0.5, 1.5)}, {2, 3, 5});
  check_layer<GroupNormalization>({.groups = 2, .center = false}, {3, 4});
  check_layer<GroupNormalization>({.groups = 2, .scale = false}, {3, 4});
  check_layer<GroupNormalization>({.groups = 2, .center = false, .scale = false}, {3, 4});
  check_layer<GroupNormalization>({.groups = -1, .center = false, .scale = false}, {2, 3, 5});
  check_layer<GroupNormalization>(
      {.groups = 2, .gamma_regularizer = l2(0.5), .beta_constraint = non_neg()}, {1, 3, 2});
}

BOOST_AUTO_TEST_CASE(it_is_what_the_definition_says) {
  const Shape input{2, 4, 6, 3, 8};
  for (const std::int64_t axis : {1, 2, 4, -1, -3}) {
    const auto at = static_cast<std::size_t>(axis < 0 ? axis + 5 : axis);
    const std::int64_t channels = input[static_cast<int>(at)];
    for (const std::int64_t groups : {-1, 1, 2, static_cast<int>(channels)}) {
      const std::int64_t size = groups == -1 ? 1 : channels / groups;
      check_definition<GroupNormalization>(
          {.groups = groups, .axis = axis, .epsilon = 0.125}, input, {channels},
          [=](const Index& index) {
            return Index{index[0], index[at] / size};
          },
          [=](const Index& index) { return Index{index[at]}; });
    }
  }
}

BOOST_AUTO_TEST_CASE(the_example_of_the_header) {
  Rng rng(1);
  const Context<float> ctx{.rng = &rng};
  const auto x = random_tensor<float>({3, 4, 5, 6}, 1);

  GroupNormalization<float> norm({.groups = 2});
  norm(x, ctx);
  BOOST_TEST(norm.gamma().shape().to_string() == "(6)");
}

BOOST_AUTO_TEST_CASE(names_defaults_and_members) {
  GroupNormalization<double> layer({.beta_regularizer = l1(0.25),
                                    .gamma_regularizer = l2(0.5),
                                    .beta_constraint = non_neg(),
                                    .gamma_constraint = max_norm(2),
                                    .name = "norm"});
  BOOST_TEST(layer.type() == "group_normalization");
  BOOST_TEST(layer.name() == "norm");
  BOOST_TEST(layer.options().groups == 32);
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
  applied(layer, Tensor<double>::ones({2, 64}));
  BOOST_TEST(layer.gamma().value().at({63}) == 1);
  BOOST_TEST(layer.beta().value().at({63}) == 0);
}

BOOST_AUTO_TEST_CASE(threads_and_training_change_no_bit) {
  check_bits<GroupNormalization>({.groups = 4}, {13, 31, 29, 8});
  check_bits<GroupNormalization>({.groups = 4, .axis = 1}, {13, 8, 31, 29});
  check_bits<GroupNormalization>({.groups = -1}, {13, 31, 29, 8});
}

BOOST_AUTO_TEST_CASE(one_value_and_none) {
  GroupNormalization<double> layer({.groups = -1, .beta_initializer = constant(0.25)});
  BOOST_TEST(applied(layer, Tensor<double>({1, 2}, {1e300, -3})).at({0, 0}) == 0.25);
  check_empty_batch<GroupNormalization>({.groups = 2}, {3, 5, 6});
  check_empty_batch<GroupNormalization>({.groups = -1, .axis = 1}, {3, 5, 6});
  for (const std::int64_t groups : {-1, 2}) {
    GroupNormalization<double> without({.groups = groups});
    BOOST_TEST(applied(without, Tensor<double>::ones({3, 0})).shape().to_string() == "(3, 0)");
  }
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  for (const std::int64_t groups : {0, -2}) {
    refuses<ArgumentError>(
        "[group_normalization] groups must be at least 1, or -1 for one per channel; got " +
            std::to_string(groups),
        [groups] { GroupNormalization<float>({.groups = groups}); });
  }
  refuses<ArgumentError>("[group_normalization] axis must not be that of the batch; got 0",
                         [] { GroupNormalization<float>({.axis = 0}); });
  refuses<ArgumentError>("[group_normalization] epsilon must be finite and at least 0; got -1",
                         [] { GroupNormalization<float>({.epsilon = -1}); });
}

BOOST_AUTO_TEST_CASE(inputs_are_checked) {
  GroupNormalization<double> layer({.groups = 3, .axis = -2});
  refuses_input(layer, {5},
                "[group_normalization] the input must have at least 2 axes (batch, ..., channels); "
                "got input (5)");
  refuses_input(layer, {6, 5},
                "[group_normalization] axis must not be that of the batch; got axis -2 for input "
                "(6, 5)");
  refuses_input(layer, {2, 4, 5},
                "[group_normalization] groups must divide the channels; got 3 groups for input (2, "
                "4, 5)");
  BOOST_TEST(!layer.built());
  GroupNormalization<double> far({.groups = 3, .axis = 3});
  refuses_input(far, {2, 6, 5},
                "[group_normalization] axis must lie in [-3, 3); got axis 3 for input (2, 6, 5)");
  GroupNormalization<double> many;
  refuses_input(many, {2, 6},
                "[group_normalization] groups must divide the channels; got 32 groups for input "
                "(2, 6)");

  applied(layer, Tensor<double>::ones({2, 6, 5}));
  // Positions and rank are free.
  BOOST_TEST(applied(layer, Tensor<double>::ones({3, 2, 6, 7})).size() == 3 * 2 * 6 * 7);
  for (const Shape& other : {Shape{2, 9, 5}, Shape{2, 7, 5}}) {
    refuses_input(
        layer, other,
        "[group_normalization] axis -2 must have 6 channels; got input " + other.to_string());
  }
  Sequential<double> net;
  net.add<GroupNormalization>({.groups = 2, .scale = false, .name = "norm"});
  applied(net, Tensor<double>::ones({3, 4}));
  refuses_input(net, {3, 6}, "[norm] axis -1 must have 4 channels; got input (3, 6)");
  // Without parameters every number of channels fits that the groups divide.
  GroupNormalization<double> plain({.groups = 2, .center = false, .scale = false});
  applied(plain, Tensor<double>::ones({3, 4}));
  BOOST_TEST(applied(plain, Tensor<double>::ones({3, 6})).size() == 18);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
