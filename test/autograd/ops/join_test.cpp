#include <boost/test/unit_test.hpp>
#include <lamina/autograd/ops/join.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <vector>

#include "support/numbers.hpp"
#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina {
namespace {

using test::Arguments;
using test::check_op;
using test::random_tensor;
using test::refuses;

BOOST_AUTO_TEST_SUITE(join)

BOOST_AUTO_TEST_CASE(concatenate_puts_one_after_the_other) {
  const Variable<double> a = Tensor<double>({2, 1}, {1, 2});
  const Variable<double> b = Tensor<double>({2, 2}, {3, 4, 5, 6});
  const Variable<double> none = Tensor<double>({2, 0}, 0.0);
  const Tensor<double> columns({2, 4}, {1, 3, 4, 1, 2, 5, 6, 2});
  BOOST_TEST(identical(concatenate({a, b, none, a}, 1).value(), columns));
  BOOST_TEST(identical(concatenate({a, b, none, a}, -1).value(), columns));
  BOOST_TEST(
      identical(concatenate({b, b}, 0).value(), Tensor<double>({4, 2}, {3, 4, 5, 6, 3, 4, 5, 6})));
  BOOST_TEST(identical(concatenate({b}, 0).value(), b.value()));
}

BOOST_AUTO_TEST_CASE(slices_of_a_concatenation_are_its_inputs) {
  for (int axis = 0; axis < 4; ++axis) {
    std::vector<Variable<float>> inputs;
    for (int i = 0; i < 19; ++i) {
      inputs.push_back(
          random_tensor<float>(Shape{2, 3, 5, 7}.with(axis, i % 4), static_cast<unsigned>(i)));
    }
    const Variable<float> y = concatenate(std::span<const Variable<float>>(inputs), axis);
    std::int64_t first = 0;
    for (const Variable<float>& input : inputs) {
      std::vector<Range> ranges(static_cast<std::size_t>(axis) + 1);
      ranges.back() = {.start = first, .stop = first + input.shape()[axis]};
      BOOST_TEST(identical(slice(y, std::span<const Range>(ranges)).value(), input.value()));
      first += input.shape()[axis];
    }
    BOOST_TEST(first == y.shape()[axis]);
  }
}

BOOST_AUTO_TEST_CASE(stack_adds_an_axis) {
  const Variable<double> a = Tensor<double>({3}, {1, 2, 3});
  const Variable<double> b = Tensor<double>({3}, {4, 5, 6});
  BOOST_TEST(identical(stack({a, b}, 0).value(), Tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6})));
  BOOST_TEST(identical(stack({a, b}, 1).value(), Tensor<double>({3, 2}, {1, 4, 2, 5, 3, 6})));
  BOOST_TEST(identical(stack({a, b}, -1).value(), stack({a, b}, 1).value()));
  BOOST_TEST(identical(stack({Variable<double>(Tensor<double>::scalar(2))}, 0).value(),
                       Tensor<double>({1}, {2})));
}

BOOST_AUTO_TEST_CASE(errors_name_the_op_and_what_came) {
  const Variable<double> a = Tensor<double>({2, 3}, 0.0);
  const Variable<double> b = Tensor<double>({4, 2}, 0.0);
  refuses<ShapeError>("[concatenate] inputs must agree but for axis 0; got (2, 3) and (4, 2)", [&] {
    concatenate({a, b}, 0);
  });
  BOOST_CHECK_THROW(concatenate({a, reshape(a, {6})}, 0), ShapeError);
  BOOST_CHECK_THROW(concatenate({a}, 2), ArgumentError);
  refuses<ArgumentError>("[concatenate] there must be at least one input; got none",
                         [&] { concatenate<double>({}, 0); });
  refuses<ShapeError>("[stack] inputs must have one shape; got (2, 3) and (4, 2)", [&] {
    stack({a, b}, 0);
  });
  refuses<ArgumentError>("[stack] there must be at least one input; got none",
                         [&] { stack<double>({}, 0); });
}

BOOST_AUTO_TEST_CASE(battery) {
  const auto numbers = [](const Shape& shape, unsigned seed) {
    return random_tensor<double>(shape, seed);
  };
  for (const int axis : {0, 1, -1}) {
    const Shape shape{2, 3, 5};
    check_op("concatenate", [&](auto x) { return concatenate(x, axis); }, {},
             {{numbers(shape, 1), numbers(shape.with(axis, 1), 2), numbers(shape.with(axis, 0), 3)},
              {numbers(shape, 1), numbers(shape, 2)},
              {numbers(shape, 1)}},
             {.orders = 3});
    check_op("stack", [&](auto x) { return stack(x, axis); }, {},
             {{numbers({2, 3}, 1), numbers({2, 3}, 2), numbers({2, 3}, 3)},
              {numbers({0, 3}, 1), numbers({0, 3}, 2)},
              {numbers({2}, 1)}},
             {.orders = 3});
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
