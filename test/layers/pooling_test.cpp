#include <boost/test/unit_test.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/layers/pooling.hpp>

#include "support/layer_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

Tensor<double> to_channels_first(const Tensor<double>& x) {
  return transpose(Variable<double>(x), {0, 3, 1, 2}).value();
}

const Pool2DOptions kFirst{.pool = {3, 2},
                           .strides = Extents2{2, 1},
                           .padding = Padding::same,
                           .layout = Layout::channels_first};

BOOST_AUTO_TEST_SUITE(pooling_suite)

BOOST_AUTO_TEST_CASE(battery) {
  check_layer<MaxPool2D>({}, {2, 5, 7, 3});
  check_layer<MaxPool2D>(kFirst, {2, 3, 5, 4});
  check_layer<MaxPool2D>({.pool = {1, 1}}, {1, 2, 3, 1});
  check_layer<MaxPool2D>({.pool = {3, 3}, .padding = Padding(1, 0, 0, 2)}, {1, 4, 2, 3});
  check_layer<AveragePool2D>({}, {2, 5, 7, 3});
  check_layer<AveragePool2D>(kFirst, {2, 3, 5, 4});
  check_layer<AveragePool2D>({.pool = {2, 3}, .padding = Padding(1, 0, 0, 2)}, {1, 4, 2, 3});
  check_layer<GlobalAveragePool2D>({}, {2, 5, 3, 2});
  check_layer<GlobalAveragePool2D>({.layout = Layout::channels_first, .keepdims = true},
                                   {2, 5, 3, 2});
  check_layer<GlobalAveragePool2D>({}, {1, 1, 1, 1});
}

BOOST_AUTO_TEST_CASE(layouts_agree) {
  const auto x = random_tensor<double>({2, 5, 7, 3}, 3);
  const auto turned = to_channels_first(x);
  Pool2DOptions last = kFirst;
  last.layout = Layout::channels_last;
  check_close("max", applied(MaxPool2D<double>(kFirst), turned),
              to_channels_first(applied(MaxPool2D<double>(last), x)), 0);
  check_close("average", applied(AveragePool2D<double>(kFirst), turned),
              to_channels_first(applied(AveragePool2D<double>(last), x)), 1e-15);
  check_close("global",
              applied(GlobalAveragePool2D<double>({.layout = Layout::channels_first}), turned),
              applied(GlobalAveragePool2D<double>(), x), 1e-15);
}

BOOST_AUTO_TEST_CASE(defaults_and_types) {
  const auto x = random_tensor<double>({2, 5, 7, 3}, 3);
  BOOST_TEST(applied(MaxPool2D<double>(), x).shape().to_string() == "(2, 2, 3, 3)");
  BOOST_TEST(applied(MaxPool2D<double>({.pool = {3, 3}}), x).shape().to_string() == "(2, 1, 2, 3)");
  BOOST_TEST(applied(GlobalAveragePool2D<double>(), x).shape().to_string() == "(2, 3)");
  BOOST_TEST(MaxPool2D<float>().type() == "max_pool2d");
  BOOST_TEST(AveragePool2D<float>({.name = "avg"}).name() == "avg");
  BOOST_TEST(AveragePool2D<float>().type() == "average_pool2d");
  BOOST_TEST(GlobalAveragePool2D<float>().type() == "global_average_pool2d");
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  refuses<ArgumentError>("[max_pool2d] pool must be at least 1; got (0, 2)", [] {
    MaxPool2D<float>({.pool = {0, 2}});
  });
  refuses<ArgumentError>("[average_pool2d] strides must be at least 1; got (1, 0)", [] {
    AveragePool2D<float>({.strides = Extents2{1, 0}});
  });
  refuses<ArgumentError>("[max_pool2d] padding must be at least 0; got ((0, 0), (-1, 0))",
                         [] { MaxPool2D<float>({.padding = Padding(0, 0, -1, 0)}); });
  Pool2DOptions options;
  OptionStore store;
  options.visit(store);
  store.fields.insert_or_assign("strides", std::vector<std::int64_t>{1, 2, 3});
  refuses<ArgumentError>("[strides] strides must be two numbers or none; got 3 numbers",
                         [&] { options.visit(store.reading()); });
}

BOOST_AUTO_TEST_CASE(inputs_are_checked) {
  refuses<ShapeError>(
      "[max_pool2d] the input must have 4 axes (batch, height, width, channels); got input (2, 3)",
      [] {
        applied(MaxPool2D<double>(), Tensor<double>::ones({2, 3}));
      });
  refuses<ShapeError>(
      "[average_pool2d] the input must have 4 axes (batch, channels, height, "
      "width); got input ()",
      [] {
        applied(AveragePool2D<double>({.layout = Layout::channels_first}),
                Tensor<double>::ones({}));
      });
  refuses<ShapeError>(
      "[global_average_pool2d] the input must have 4 axes (batch, height, width, "
      "channels); got input (7)",
      [] { applied(GlobalAveragePool2D<double>(), Tensor<double>::ones({7})); });
  refuses<ShapeError>(
      "[global_average_pool2d] the input must have rows and columns; got input (2, 3, 0, 4)", [] {
        applied(GlobalAveragePool2D<double>(), Tensor<double>::ones({2, 3, 0, 4}));
      });
  BOOST_CHECK_THROW(applied(MaxPool2D<double>(), Tensor<double>::ones({1, 1, 5, 1})), ShapeError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
