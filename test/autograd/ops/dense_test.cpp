// dense against matmul, add and relu one by one: the same bits; its derivatives; what it refuses.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/ops/activation.hpp>
#include <lamina/autograd/ops/dense.hpp>
#include <lamina/autograd/ops/linear_algebra.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>

#include "support/numbers.hpp"
#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina {
namespace {

using test::Arguments;
using test::check_op;
using test::random_tensor;
using test::refuses;

template <Scalar T>
Variable<T> composed(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& bias,
                     AfterDense after) {
  Variable<T> y = matmul(x, kernel);
  if (bias.defined()) y = add(y, bias);
  return after == AfterDense::relu ? relu(y) : y;
}

// Value and gradients of a weighted sum.
template <Scalar T, class Op>
std::vector<Tensor<T>> results(const Op& op, const Shape& x_shape, std::int64_t units, bool bias,
                               AfterDense after) {
  Tape<T> tape;
  const Variable<T> x = tape.watch(random_tensor<T>(x_shape, 1));
  const Variable<T> kernel = tape.watch(random_tensor<T>({x_shape[-1], units}, 2));
  std::vector<Variable<T>> sources{x, kernel};
  if (bias) sources.push_back(tape.watch(random_tensor<T>({units}, 3)));
  const Variable<T> y = op(x, kernel, bias ? sources[2] : Variable<T>(), after);
  std::vector<Tensor<T>> all{y.value()};
  const auto loss = sum(y * Variable<T>(random_tensor<T>(y.shape(), 4)));
  for (const Variable<T>& gradient : tape.gradients(loss, sources)) all.push_back(gradient.value());
  return all;
}

template <Scalar T>
void check_equal_to_composed(const Shape& x_shape, std::int64_t units) {
  for (const bool bias : {false, true}) {
    for (const AfterDense after : {AfterDense::nothing, AfterDense::relu}) {
      const auto fused = results<T>(dense<T>, x_shape, units, bias, after);
      const auto separate = results<T>(composed<T>, x_shape, units, bias, after);
      for (std::size_t i = 0; i < fused.size(); ++i) {
        BOOST_TEST(identical(fused[i], separate[i]),
                   x_shape.to_string() << " to " << units << ", bias " << bias << ", result " << i);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE(dense_op)

BOOST_AUTO_TEST_CASE(same_bits_as_one_by_one) {
  for (const Shape& x : {Shape{0, 3}, Shape{2, 0}, Shape{1, 1}, Shape{7, 5}, Shape{2, 3, 4, 5}}) {
    for (const std::int64_t units : {0, 1, 3, 19}) {
      check_equal_to_composed<float>(x, units);
      check_equal_to_composed<double>(x, units);
    }
  }
}

BOOST_AUTO_TEST_CASE(same_bits_in_tiles) {
  check_equal_to_composed<float>({128, 784}, 512);
  check_equal_to_composed<double>({211, 307}, 401);
  check_equal_to_composed<float>({3, 67, 101}, 83);
  // Few outputs, long sums.
  check_equal_to_composed<float>({23, 20011}, 29);
}

BOOST_AUTO_TEST_CASE(battery) {
  for (const AfterDense after : {AfterDense::nothing, AfterDense::relu}) {
    std::vector<Arguments> lists;
    for (const Shape& x : {Shape{3, 4}, Shape{2, 3, 4}, Shape{0, 4}}) {
      lists.push_back({random_tensor<double>(x, 1), random_tensor<double>({4, 5}, 2),
                       random_tensor<double>({5}, 3)});
    }
    check_op(
        "dense", [&](auto x) { return dense(x[0], x[1], x[2], after); },
        [&](const Arguments& a) { return composed<double>(a[0], a[1], a[2], after).value(); },
        lists);
  }
}

BOOST_AUTO_TEST_CASE(not_a_number_is_not_lost) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Variable<float> y = dense<float>(Tensor<float>({1, 2}, 1.F), Tensor<float>({2, 2}, 1.F),
                                         Tensor<float>({2}, {nan, -3}), AfterDense::relu);
  BOOST_TEST(std::isnan(y.value().data()[0]));
  BOOST_TEST(y.value().data()[1] == 0);
}

BOOST_AUTO_TEST_CASE(gives_the_same_bits_for_one_and_two_threads) {
  const int before = threads();
  for (const Shape& x : {Shape{128, 784}, Shape{23, 20011}}) {
    set_threads(1);
    const auto one = results<float>(dense<float>, x, 512, true, AfterDense::relu);
    set_threads(2);
    const auto two = results<float>(dense<float>, x, 512, true, AfterDense::relu);
    for (std::size_t i = 0; i < one.size(); ++i) BOOST_TEST(identical(one[i], two[i]));
  }
  set_threads(before);
}

BOOST_AUTO_TEST_CASE(errors_name_the_op_and_what_came) {
  const auto of = [](const Shape& shape) { return Variable<double>(Tensor<double>(shape, 0.0)); };
  const std::string shapes =
      "[dense] x must be (..., features) and the kernel (features, units); got x ";
  refuses<ShapeError>(shapes + "(3), kernel (3, 2)", [&] { dense(of({3}), of({3, 2}), {}); });
  refuses<ShapeError>(shapes + "(2, 3), kernel (3)", [&] { dense(of({2, 3}), of({3}), {}); });
  refuses<ShapeError>(shapes + "(2, 3), kernel (4, 2)", [&] { dense(of({2, 3}), of({4, 2}), {}); });
  refuses<ShapeError>("[dense] the bias must have one value per unit; got (1), expected (2)", [&] {
    dense(of({2, 3}), of({3, 2}), of({1}));
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
