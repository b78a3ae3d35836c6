#include <boost/test/unit_test.hpp>
#include <lamina/layers/activations.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/group_normalization.hpp>
#include <lamina/layers/instance_normalization.hpp>
#include <lamina/layers/layer_normalization.hpp>
#include <lamina/layers/pooling.hpp>
#include <lamina/layers/reshape.hpp>
#include <lamina/nn/sequential.hpp>
#include <lamina/nn/summary.hpp>

#include "support/modules.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

BOOST_AUTO_TEST_SUITE(summary_suite)

BOOST_AUTO_TEST_CASE(a_network_in_a_table) {
  Sequential<float> net;
  net.add<Conv2D>({.filters = 4, .kernel = {5, 3}, .use_bias = false})
      .add<BatchNormalization>({.name = "bn"})
      .add<ReLU>()
      .add<MaxPool2D>({})
      .add<Flatten>()
      .add<Dense>({.units = 10});
  const Summary table = summary(net, {2, 28, 28, 3});
  BOOST_TEST(table.to_string() == R"(input (2, 28, 28, 3)
path        type                 output          parameters  buffers  multiply-adds   bytes
conv2d      conv2d               (2, 24, 26, 4)         180        0        224,640     720
bn          batch_normalization  (2, 24, 26, 4)           8        8              0      64
relu        relu                 (2, 24, 26, 4)           0        0              0       0
max_pool2d  max_pool2d           (2, 12, 13, 4)           0        0              0       0
flatten     flatten              (2, 624)                 0        0              0       0
dense       dense                (2, 10)              6,250        0         12,480  25,000
total                                                 6,438        8        237,120  25,784
trainable parameters: 6,438
)");
  BOOST_TEST(!net.built());
}

BOOST_AUTO_TEST_CASE(normalizations_of_examples_in_a_table) {
  Sequential<double> net;
  net.add<LayerNormalization>({.axis = {1, 2}})
      .add<GroupNormalization>({.groups = 2, .center = false})
      .add<InstanceNormalization>({.axis = 1, .name = "instance"});
  const Summary table = summary(net, {3, 5, 4});
  BOOST_TEST_REQUIRE(table.rows.size() == 3u);
  BOOST_TEST(table.rows[0].type == "layer_normalization");
  BOOST_TEST(table.rows[0].parameters == 2 * 5 * 4);
  BOOST_TEST(table.rows[1].type == "group_normalization");
  BOOST_TEST(table.rows[1].parameters == 4);
  BOOST_TEST(table.rows[2].path == "instance");
  BOOST_TEST(table.rows[2].type == "instance_normalization");
  BOOST_TEST(table.rows[2].parameters == 2 * 5);
  BOOST_TEST(table.rows[2].output->to_string() == "(3, 5, 4)");
  BOOST_TEST(table.total.buffers == 0);
}

BOOST_AUTO_TEST_CASE(names_with_dots_and_modules_that_are_not_listed) {
  struct Odd : Module<double> {
    Parameter<double> gamma;
    ReLU<double> hidden;
    void visit(Visitor<double>& v) override { v("scale.gamma", gamma); }
    void build(const Shape& input, Builder<double>& builder) override {
      builder("scale.gamma", gamma, Shape{input[1]}, ones());
    }
    Variable<double> forward(const Variable<double>& x, const Context<double>& c) const override {
      return hidden(x * gamma(c), c);
    }
  };
  Sequential<double> other;  // whose names its copy's members still bear
  other.add<ReLU>({.name = "elsewhere"});
  other.name_tree();
  Odd odd;
  odd.hidden = dynamic_cast<ReLU<double>&>(other.at(0));
  Sequential<double> net;
  net.add(std::move(odd));
  const Summary table = summary(net, {1, 3});
  BOOST_TEST(table.total.parameters == 3);
  BOOST_TEST(table.rows[0].path == "odd");
  BOOST_TEST(table.rows[0].parameters == 3);
}

BOOST_AUTO_TEST_CASE(nested_tied_and_frozen_modules) {
  struct Twice : Module<double> {
    Dense<double> a{{.units = 3}};
    Dense<double> b = share(a);
    Scale<double> frozen;
    void visit(Visitor<double>& v) override { v("a", a), v("b", b), v("frozen", frozen); }
    Variable<double> forward(const Variable<double>& x, const Context<double>& c) const override {
      return b(a(a(x, c), c), c);
    }
  };
  Sequential<double> net;
  Twice twice;
  twice.frozen.weight.set_trainable(false);
  twice.frozen.weight.assign(Tensor<double>::ones({5}));
  net.add(std::move(twice));
  const Summary table = summary(net, {1, 3});
  BOOST_TEST_REQUIRE(table.rows.size() == 4u);
  BOOST_TEST(table.rows[0].path == "twice");
  BOOST_TEST(table.rows[1].path == "twice.a");
  BOOST_TEST(table.rows[1].parameters == 12);
  BOOST_TEST(table.rows[1].multiply_adds == 18);
  BOOST_TEST(table.rows[2].parameters == 0);
  BOOST_TEST(table.rows[2].multiply_adds == 9);
  BOOST_TEST(!table.rows[3].output.has_value());
  BOOST_TEST(table.rows[3].parameters == 5);
  BOOST_TEST(table.rows[3].trainable_parameters == 0);
  BOOST_TEST(table.total.parameters == 17);
  BOOST_TEST(table.total.trainable_parameters == 12);
  BOOST_TEST(table.total.bytes == 17 * 8);
}

BOOST_AUTO_TEST_CASE(a_single_layer_is_its_own_row) {
  const Summary table = summary(Dense<double>({.units = 2}), {7, 3});
  BOOST_TEST_REQUIRE(table.rows.size() == 1u);
  BOOST_TEST(table.rows[0].type == "dense");
  BOOST_TEST(table.rows[0].output->to_string() == "(7, 2)");
}

BOOST_AUTO_TEST_CASE(a_shape_that_does_not_fit_is_an_error_with_path) {
  Sequential<double> net;
  net.add<Dense>({.units = 2, .in_features = 5, .name = "fc"});
  refuses<ShapeError>("[fc] the last axis must have 5 features; got input (1, 3)", [&] {
    summary(net, {1, 3});
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
