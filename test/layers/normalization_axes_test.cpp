#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/normalization_axes.hpp>

namespace lamina {
namespace {

NormalizationAxes axes_of(std::vector<std::int64_t> axis, const Shape& input) {
  return NormalizationAxes(axis, input);
}

void check_layout(const NormalizationAxes& axes, const NormLayout& expected) {
  BOOST_TEST(axes.layout().outer == expected.outer);
  BOOST_TEST(axes.layout().groups == expected.groups);
  BOOST_TEST(axes.layout().middle == expected.middle);
  BOOST_TEST(axes.layout().channels == expected.channels);
  BOOST_TEST(axes.layout().inner == expected.inner);
}

void check_message(std::vector<std::int64_t> axis, const Shape& input, const std::string& message) {
  BOOST_CHECK_EXCEPTION(axes_of(axis, input), ShapeError, [&](const ShapeError& error) {
    BOOST_TEST(error.what() == message);
    return true;
  });
}

BOOST_AUTO_TEST_SUITE(normalization_axes)

BOOST_AUTO_TEST_CASE(one_axis_anywhere_moves_no_data) {
  check_layout(axes_of({-1}, {7, 3}), {.outer = 7, .channels = 3});
  check_layout(axes_of({1}, {7, 3, 5, 2}), {.outer = 7, .channels = 3, .inner = 10});
  check_layout(axes_of({-1}, {7, 5, 2, 3}), {.outer = 7, .middle = 10, .channels = 3});
  check_layout(axes_of({2}, {7, 5, 3, 2}), {.outer = 7, .middle = 5, .channels = 3, .inner = 2});
  check_layout(axes_of({0}, {7, 5}), {.channels = 7, .inner = 5});
  check_layout(axes_of({-1}, {3}), {.channels = 3});
  BOOST_TEST((axes_of({2}, {7, 5, 3, 2}).parameter_shape() == Shape{3}));
}

BOOST_AUTO_TEST_CASE(adjacent_axes_become_one_run_of_channels) {
  const NormalizationAxes axes = axes_of({2, 1}, {7, 5, 3, 2});
  check_layout(axes, {.outer = 7, .channels = 15, .inner = 2});
  BOOST_TEST((axes.parameter_shape() == Shape{1, 5, 3, 1}));
  const Variable<float> x(Tensor<float>({7, 5, 3, 2}, 1.0f));
  BOOST_TEST(axes.arranged(x).value().shares_storage_with(x.value()));
}

BOOST_AUTO_TEST_CASE(axes_apart_are_brought_together_and_back) {
  const NormalizationAxes axes = axes_of({3, 1}, {2, 3, 4, 5});
  check_layout(axes, {.outer = 2, .middle = 4, .channels = 15});
  BOOST_TEST((axes.parameter_shape() == Shape{1, 3, 1, 5}));
  Tensor<double> values({2, 3, 4, 5}, 0.0);
  for (std::int64_t i = 0; i < values.size(); ++i) {
    values.mutable_data()[i] = static_cast<double>(i);
  }
  const Variable<double> arranged = axes.arranged(Variable<double>(values));
  BOOST_TEST((arranged.shape() == Shape{2, 4, 3, 5}));
  BOOST_TEST(arranged.value().at({1, 3, 2, 4}) == values.at({1, 2, 3, 4}));
  BOOST_TEST(identical(axes.restored(arranged).value(), values));
}

BOOST_AUTO_TEST_CASE(an_axis_of_extent_one_does_not_separate) {
  const NormalizationAxes axes = axes_of({1, 3}, {7, 5, 1, 3});
  check_layout(axes, {.outer = 7, .channels = 15});
}

BOOST_AUTO_TEST_CASE(coefficients_per_channel_are_recognized) {
  const NormalizationAxes axes = axes_of({1}, {7, 3, 5});
  const auto per_channel = [&](const Shape& shape) {
    return axes.per_channel(Variable<float>(Tensor<float>(shape, 2.0f)));
  };
  BOOST_TEST_REQUIRE(per_channel({3, 1}).has_value());
  BOOST_TEST((per_channel({3, 1})->shape() == Shape{3}));
  BOOST_TEST((per_channel({1, 1, 1})->shape() == Shape{3}));
  BOOST_TEST(!per_channel({7, 3, 1}).has_value());
  BOOST_TEST(!per_channel({5}).has_value());
  BOOST_TEST(
      (axes.broadcastable(Variable<float>(Tensor<float>({3}, 1.0f))).shape() == Shape{1, 3, 1}));
}

BOOST_AUTO_TEST_CASE(axes_that_do_not_fit_are_refused) {
  check_message({0}, {},
                "[batch_normalization] the input must have at least one axis; got a scalar");
  check_message({2}, {4, 3},
                "[batch_normalization] axis must lie in [-2, 2); got axis 2 for input (4, 3)");
  check_message({-3}, {4, 3},
                "[batch_normalization] axis must lie in [-2, 2); got axis -3 for input (4, 3)");
  check_message(
      {-4, 1}, {4, 3, 2, 2, 2},
      "[batch_normalization] axes must differ; got one axis twice for input (4, 3, 2, 2, 2)");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
