#include <boost/test/unit_test.hpp>
#include <lamina/layers/activations.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/registry.hpp>
#include <lamina/nn/sequential.hpp>

#include "support/modules.hpp"
#include "support/option_store.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Net = Sequential<double>;

std::vector<std::string> names_of(const Net& net) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < net.size(); ++i) names.push_back(net.name_at(i));
  return names;
}

void check_names(const Net& net, const std::vector<std::string>& expected) {
  BOOST_TEST(names_of(net) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE(sequential_suite)

BOOST_AUTO_TEST_CASE(children_are_named_by_type_and_number) {
  Net net;
  net.add<Dense>({.units = 3}).add<ReLU>().add<Dense>({.units = 2}).add(Scale<double>());
  net.add<Dense>({.units = 2}).add(Net());
  check_names(net, {"dense", "relu", "dense_1", "scale", "dense_2", "sequential"});
}

BOOST_AUTO_TEST_CASE(names_may_be_given) {
  Net net;
  net.add<Dense>({.units = 3, .name = "dense_1"}).add<Dense>({.units = 3});
  net.add<Dense>({.units = 3}).add(Scale<double>("gain"));
  net.append(ModulePointer<double>(Scale<double>("other")), "loaded");
  check_names(net, {"dense_1", "dense", "dense_2", "gain", "loaded"});
}

BOOST_AUTO_TEST_CASE(bad_names_and_indices_are_refused) {
  Net net;
  net.add<Dense>({.units = 3, .name = "fc"});
  refuses<ArgumentError>("[sequential] children's names must differ; got 'fc' twice",
                         [&] { net.add<Dense>({.units = 3, .name = "fc"}); });
  refuses<ArgumentError>("[sequential] a child's name must not hold a dot; got 'a.b'",
                         [&] { net.add<Dense>({.units = 3, .name = "a.b"}); });
  BOOST_TEST(net.size() == 1);
  refuses<ArgumentError>("[sequential] the index must name a child; got 1 of 1",
                         [&] { net.at(1); });
  refuses<ArgumentError>("[sequential] the index must name a child; got -2 of 1",
                         [&] { std::as_const(net).name_at(-2); });
  BOOST_TEST(&net.at(-1) == &net.at(0));
}

BOOST_AUTO_TEST_CASE(an_empty_one_is_the_identity) {
  Net net;
  const auto x = Tensor<double>::ones({2, 3});
  BOOST_TEST(net(x, Context<double>::for_inference()).value().shares_storage_with(x));
  BOOST_TEST(net.parameters().empty());
}

BOOST_AUTO_TEST_CASE(children_apply_in_order_and_nest) {
  Net inner, net;
  inner.add<Dense>({.units = 1, .kernel_initializer = constant(-1)}).add<ReLU>();
  net.add(std::move(inner)).add<Dense>({.units = 2, .bias_initializer = ones()});
  Rng rng(1);
  const auto y = net(Tensor<double>::ones({1, 3}), {.rng = &rng}).value();
  BOOST_TEST(y.at({0, 0}) == 1);
  BOOST_TEST(y.at({0, 1}) == 1);
  BOOST_TEST(net.parameters()[0]->path == "sequential.dense.kernel");
}

BOOST_AUTO_TEST_CASE(a_child_added_after_the_first_call_is_built_by_the_next) {
  Net net;
  net.add<Dense>({.units = 3});
  Rng rng(1);
  net(Tensor<double>::ones({1, 3}), {.rng = &rng});
  net.add<Dense>({.units = 2});
  BOOST_TEST(net(Tensor<double>::ones({1, 3}), {.rng = &rng}).shape()[1] == 2);
  BOOST_TEST(net.parameters()[2]->path == "dense_1.kernel");
}

BOOST_AUTO_TEST_CASE(a_child_gives_way_to_another_or_to_none) {
  Net net;
  net.add<Dense>({.units = 3, .kernel_initializer = ones()})
      .add<ReLU>()
      .add<Dense>({.units = 2, .kernel_initializer = constant(-1), .name = "last"});
  Rng rng(1);
  const auto x = Tensor<double>::ones({1, 3});
  BOOST_TEST(net(x, {.rng = &rng}).value().at({0, 0}) == -9);
  net.replace(-1, ModulePointer<double>(Dense<double>({.units = 5, .kernel_initializer = ones()})));
  check_names(net, {"dense", "relu", "last"});
  const auto y = net(x, {.rng = &rng});
  BOOST_TEST(y.shape().to_string() == "(1, 5)");
  BOOST_TEST(y.value().at({0, 4}) == 9);
  BOOST_TEST(net.parameters()[2]->path == "last.kernel");

  net.remove(0).remove(-1);
  check_names(net, {"relu"});
  BOOST_TEST(identical(std::as_const(net)(x, {}).value(), x));
  net.add<Dense>({.units = 4});
  check_names(net, {"relu", "dense"});
  refuses<ArgumentError>("[sequential] the index must name a child; got 2 of 2",
                         [&] { net.remove(2); });
  refuses<ArgumentError>("[sequential] the index must name a child; got -3 of 2",
                         [&] { net.replace(-3, ModulePointer<double>(ReLU<double>())); });
  BOOST_TEST(net.size() == 2);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(registry_suite)

BOOST_AUTO_TEST_CASE(types_are_made_from_their_options) {
  Registry<double> registry;
  registry.add<Dense>().add<Sequential>().add<Scale<double>>();
  const std::vector<std::string> expected{"dense", "scale", "sequential"};
  BOOST_TEST(registry.types() == expected, boost::test_tools::per_element());
  BOOST_TEST(registry.contains("dense"));
  BOOST_TEST(!registry.contains("conv2d"));

  OptionStore store;
  Dense<double>({.units = 7, .use_bias = false}).visit_options(store);
  const auto module = registry.make("dense", store.reading());
  BOOST_TEST(dynamic_cast<const Dense<double>&>(*module).options().units.value == 7);
}

BOOST_AUTO_TEST_CASE(unknown_and_repeated_types_are_refused) {
  auto registry = standard_registry<double>();
  OptionStore store;
  refuses<ArgumentError>("[registry] a type must be registered once; got 'dense' again",
                         [&] { registry.add<Dense>(); });
  refuses<ArgumentError>(
      "[registry] a module type must be registered before it can be made; got 'scale'",
      [&] { registry.make("scale", store); });
}

BOOST_AUTO_TEST_CASE(options_of_a_file_are_checked_as_a_user_s) {
  OptionStore store;
  DenseOptions options{.units = -3};
  options.visit(store);
  refuses<ArgumentError>("[dense] units must be at least 1; got -3",
                         [&] { standard_registry<double>().make("dense", store.reading()); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
