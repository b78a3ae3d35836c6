// Products against xtensor-blas, matrix by matrix.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/ops/linear_algebra.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/xtensor.hpp>
#include <limits>
#include <xtensor-blas/xlinalg.hpp>

#include "support/numbers.hpp"
#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina {
namespace {

using test::Arguments;
using test::check_close;
using test::check_op;
using test::random_tensor;
using test::refuses;

// The last two axes exchanged.
template <Scalar T>
Tensor<T> swapped(const Tensor<T>& x) {
  std::vector<int> axes;
  for (int axis = 0; axis < x.rank() - 2; ++axis) axes.push_back(axis);
  axes.push_back(x.rank() - 1);
  axes.push_back(x.rank() - 2);
  return transpose<T>(x, std::span<const int>(axes)).value();
}

template <Scalar T>
Tensor<T> oracle(const Tensor<T>& a, const Tensor<T>& b) {
  const auto leading = [](const Shape& shape) {
    return Shape(shape.extents().first(static_cast<std::size_t>(shape.rank() - 2)));
  };
  const Shape batch = broadcast_shape(leading(a.shape()), leading(b.shape()), "oracle");
  const auto expanded = [&](const Tensor<T>& x) {
    Shape shape = batch.inserted(batch.rank(), x.shape()[-2]);
    shape = shape.inserted(shape.rank(), x.shape()[-1]);
    return broadcast_to<T>(x, shape).value().reshaped({batch.size(), x.shape()[-2], x.shape()[-1]});
  };
  const Tensor<T> left = expanded(a), right = expanded(b);
  const std::int64_t m = a.shape()[-2], k = a.shape()[-1], n = b.shape()[-1];
  Tensor<T> result = Tensor<T>::zeros({batch.size(), m, n});
  for (std::int64_t i = 0; i < batch.size() && m * n * k > 0; ++i) {
    const Tensor<T> x({m, k}, left.values().subspan(static_cast<std::size_t>(i * m * k),
                                                    static_cast<std::size_t>(m * k)));
    const Tensor<T> y({k, n}, right.values().subspan(static_cast<std::size_t>(i * k * n),
                                                     static_cast<std::size_t>(k * n)));
    const xt::xarray<T> product = xt::linalg::dot(as_xtensor(x), as_xtensor(y));
    std::copy(product.begin(), product.end(), result.mutable_data() + i * m * n);
  }
  Shape shape = batch.inserted(batch.rank(), m);
  return result.reshaped(shape.inserted(shape.rank(), n));
}

template <Scalar T>
void check_product(const Shape& a_shape, const Shape& b_shape, double tolerance) {
  BOOST_TEST_CONTEXT(a_shape.to_string() << " by " << b_shape.to_string()) {
    const Tensor<T> a = random_tensor<T>(a_shape, 1);
    const Tensor<T> b = random_tensor<T>(b_shape, 2);
    const Tensor<T> expected = oracle(a, b);
    check_close("plain", matmul<T>(a, b).value(), expected, tolerance);
    check_close("transpose_a", matmul<T>(swapped(a), b, {.transpose_a = true}).value(), expected,
                tolerance);
    check_close("transpose_b", matmul<T>(a, swapped(b), {.transpose_b = true}).value(), expected,
                tolerance);
    check_close(
        "both",
        matmul<T>(swapped(a), swapped(b), {.transpose_a = true, .transpose_b = true}).value(),
        expected, tolerance);
  }
}

BOOST_AUTO_TEST_SUITE(linear_algebra)

BOOST_AUTO_TEST_CASE(matrices_of_every_small_extent) {
  for (const std::int64_t m : {0, 1, 2, 7, 13})
    for (const std::int64_t k : {0, 1, 3, 5, 17})
      for (const std::int64_t n : {0, 1, 2, 11, 19}) {
        check_product<double>({m, k}, {k, n}, 1e-13);
        check_product<float>({m, k}, {k, n}, 1e-5);
      }
}

BOOST_AUTO_TEST_CASE(large_matrices_are_cut_into_tiles) {
  check_product<double>({211, 307}, {307, 401}, 1e-11);
  check_product<float>({67, 1009}, {1009, 83}, 2e-4);
  // Few outputs, long sums.
  check_product<double>({23, 20011}, {20011, 29}, 1e-10);
}

BOOST_AUTO_TEST_CASE(batches_broadcast) {
  check_product<double>({5, 2, 3}, {5, 3, 7}, 1e-14);
  check_product<double>({5, 2, 3}, {3, 7}, 1e-14);
  check_product<double>({2, 3}, {5, 3, 7}, 1e-14);
  check_product<double>({5, 1, 2, 3}, {11, 3, 7}, 1e-14);
  check_product<double>({5, 1, 1, 2, 3}, {1, 11, 2, 3, 7}, 1e-14);
  check_product<double>({0, 2, 3}, {1, 3, 7}, 0);
  check_product<double>({0, 2, 3}, {3, 7}, 0);
  check_product<double>({3, 131, 137}, {3, 137, 139}, 1e-12);
  check_product<double>({101, 17, 29}, {29, 31}, 1e-13);
  check_product<double>({101, 17, 29}, {101, 29, 31}, 1e-13);
}

BOOST_AUTO_TEST_CASE(operands_of_rank_one_as_numpy) {
  const Variable<double> v = random_tensor<double>({3}, 1);
  const Variable<double> w = random_tensor<double>({5}, 2);
  const Variable<double> a = random_tensor<double>({2, 3, 5}, 3);
  check_close("row", matmul(v, a).value(),
              oracle(v.value().reshaped({1, 3}), a.value()).reshaped({2, 5}), 1e-14);
  check_close("column", matmul(a, w).value(),
              oracle(a.value(), w.value().reshaped({5, 1})).reshaped({2, 3}), 1e-14);
  check_close("dot", matmul(v, v).value(),
              oracle(v.value().reshaped({1, 3}), v.value().reshaped({3, 1})).reshaped(Shape{}),
              1e-14);
  check_close("column of a transposed matrix", matmul(a, v, {.transpose_a = true}).value(),
              oracle(swapped(a.value()), v.value().reshaped({3, 1})).reshaped({2, 5}), 1e-14);
}

BOOST_AUTO_TEST_CASE(not_a_number_is_not_lost) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Variable<double> zeros = Tensor<double>({2, 2}, 0.0);
  for (const std::int64_t n : {2, 40}) {
    const Variable<double> wide = Tensor<double>({2, n}, nan);
    const Variable<double> product = matmul(zeros, wide);
    for (const double value : product.value().values()) BOOST_TEST(std::isnan(value));
  }
}

BOOST_AUTO_TEST_CASE(gives_the_same_bits_for_one_and_two_threads) {
  const int before = threads();
  for (const auto& [a_shape, b_shape] : {std::pair<Shape, Shape>{{128, 784}, {784, 512}},
                                         {{23, 20011}, {20011, 29}},
                                         {{31, 67, 71}, {31, 71, 73}}}) {
    const Variable<float> a = random_tensor<float>(a_shape, 1);
    const Variable<float> b = random_tensor<float>(b_shape, 2);
    set_threads(1);
    const Tensor<float> one = matmul(a, b).value();
    set_threads(2);
    BOOST_TEST(identical(one, matmul(a, b).value()));
  }
  set_threads(before);
}

BOOST_AUTO_TEST_CASE(errors_name_the_op_and_what_came) {
  const auto of = [](const Shape& shape) { return Variable<double>(Tensor<double>(shape, 0.0)); };
  const std::string inner =
      "[matmul] the columns of the left operand must equal the rows of the right; got ";
  refuses<ShapeError>(inner + "(2, 3) and (4, 5)", [&] { matmul(of({2, 3}), of({4, 5})); });
  refuses<ShapeError>(inner + "(2, 3) transposed and (3, 5)", [&] {
    matmul(of({2, 3}), of({3, 5}), {.transpose_a = true});
  });
  refuses<ShapeError>(inner + "(7, 2, 3) and (3, 5) transposed", [&] {
    matmul(of({7, 2, 3}), of({3, 5}), {.transpose_b = true});
  });
  refuses<ShapeError>(inner + "(3) and (4, 5)", [&] { matmul(of({3}), of({4, 5})); });
  BOOST_CHECK_THROW(matmul(of({2, 2, 3}), of({3, 3, 5})), ShapeError);
  refuses<ShapeError>(
      "[matmul] operands must have at least one axis; got () and (4, 5), "
      "expected rank 1 to 8",
      [&] {
        matmul(of({}), of({4, 5}));
      });
  refuses<ShapeError>(
      "[matmul] an operand of rank 1 must not be transposed; got (4) "
      "transposed and (4, 5)",
      [&] {
        matmul(of({4}), of({4, 5}), {.transpose_a = true});
      });
}

// Two operands of which the flags ask for a transposed one.
Arguments operands(const Shape& a, const Shape& b, MatmulOptions options) {
  const Tensor<double> left = random_tensor<double>(a, 1), right = random_tensor<double>(b, 2);
  return {options.transpose_a ? swapped(left) : left, options.transpose_b ? swapped(right) : right};
}

BOOST_AUTO_TEST_CASE(battery) {
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true}) {
      const MatmulOptions options{transpose_a, transpose_b};
      std::vector<Arguments> lists;
      for (const auto& [a, b] : std::vector<std::pair<Shape, Shape>>{{{2, 3}, {3, 5}},
                                                                     {{3, 3}, {3, 3}},
                                                                     {{1, 1}, {1, 1}},
                                                                     {{0, 3}, {3, 5}},
                                                                     {{2, 0}, {0, 5}},
                                                                     {{2, 3}, {3, 0}},
                                                                     {{5, 2, 3}, {5, 3, 2}},
                                                                     {{5, 2, 3}, {3, 2}},
                                                                     {{2, 3}, {5, 3, 2}},
                                                                     {{3, 1, 2, 2}, {5, 2, 1}},
                                                                     {{0, 2, 3}, {1, 3, 2}}}) {
        lists.push_back(operands(a, b, options));
      }
      check_op(
          "matmul", [&](auto x) { return matmul(x[0], x[1], options); },
          [&](const Arguments& x) {
            return oracle(transpose_a ? swapped(x[0]) : x[0], transpose_b ? swapped(x[1]) : x[1]);
          },
          lists, {.orders = 3});
    }
}

BOOST_AUTO_TEST_CASE(battery_of_operands_of_rank_one) {
  const auto matrix = [](const Tensor<double>& x, bool left) {
    return x.rank() > 1 ? x : x.reshaped({left ? 1 : x.size(), left ? x.size() : 1});
  };
  check_op(
      "matmul", [](auto x) { return matmul(x[0], x[1]); },
      [&](const Arguments& x) {
        Tensor<double> y = oracle(matrix(x[0], true), matrix(x[1], false));
        if (x[0].rank() == 1) y = y.reshaped(y.shape().without(-2));
        return x[1].rank() == 1 ? y.reshaped(y.shape().without(-1)) : y;
      },
      {{random_tensor<double>({3}, 1), random_tensor<double>({3}, 2)},
       {random_tensor<double>({3}, 1), random_tensor<double>({3, 5}, 2)},
       {random_tensor<double>({2, 7, 3}, 1), random_tensor<double>({3}, 2)},
       {random_tensor<double>({3}, 1), random_tensor<double>({2, 3, 5}, 2)}});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
