#include <cmath>
#include <functional>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>

#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

namespace {

// The reduction of a list of numbers, applied naively to every list along the axes.
Oracle reduced_by(std::function<double(const std::vector<double>&)> f, Axes axes, bool keepdims) {
  return [=](const Arguments& arguments) {
    const Tensor<double>& x = arguments[0];
    const unsigned mask = axes.mask(x.rank(), "oracle");
    const Shape result_shape = reduced_shape(x.shape(), mask, keepdims);
    std::vector<std::vector<double>> lists(static_cast<std::size_t>(result_shape.size()));
    for (std::int64_t i = 0; i < x.size(); ++i) {
      std::int64_t rest = i, place = 0, stride = 1;
      for (int axis = x.rank(); axis-- > 0; rest /= x.shape()[axis]) {
        if ((mask >> axis) & 1) continue;
        place += rest % x.shape()[axis] * stride;
        stride *= x.shape()[axis];
      }
      lists[static_cast<std::size_t>(place)].push_back(x.data()[i]);
    }
    Tensor<double> result = Tensor<double>::uninitialized(result_shape);
    for (std::int64_t i = 0; i < result.size(); ++i) {
      result.mutable_data()[i] = f(lists[static_cast<std::size_t>(i)]);
    }
    return result;
  };
}

double sum_of(const std::vector<double>& list) {
  double total = 0;
  for (const double v : list) total += v;
  return total;
}
double mean_of(const std::vector<double>& list) {
  return sum_of(list) / static_cast<double>(list.size());
}
double variance_of(const std::vector<double>& list) {
  double total = 0;
  for (const double v : list) total += (v - mean_of(list)) * (v - mean_of(list));
  return total / static_cast<double>(list.size());
}
double prod_of(const std::vector<double>& list) {
  double product = 1;
  for (const double v : list) product *= v;
  return product;
}
double norm_of(const std::vector<double>& list) {
  double total = 0;
  for (const double v : list) total += v * v;
  return std::sqrt(total);
}
double max_of(const std::vector<double>& list) {
  return *std::max_element(list.begin(), list.end());
}
double min_of(const std::vector<double>& list) {
  return *std::min_element(list.begin(), list.end());
}

struct AxesCase {
  Axes axes;
  bool keepdims;
};
const std::vector<AxesCase> kAxes{{{}, false},    {{}, true},       {0, false},
                                  {1, true},      {-1, false},      {{0, 2}, false},
                                  {{0, 2}, true}, {{-2, 0}, false}, {{0, 1, 2}, true}};

template <class Op>
void check_reduction(const std::string& name, const Op& op,
                     double (*naive)(const std::vector<double>&), bool of_nothing) {
  for (const auto& [axes, keepdims] : kAxes) {
    const auto f = [&op, axes = axes, keepdims = keepdims](auto x) {
      return op(x[0], axes, keepdims);
    };
    std::vector<Arguments> lists{{random_tensor<double>({2, 3, 5}, 7)},
                                 {random_tensor<double>({1, 3, 1}, 8)}};
    if (of_nothing) lists.push_back({random_tensor<double>({2, 0, 5}, 9)});
    check_op(name + (keepdims ? ", keepdims" : ""), f, reduced_by(naive, axes, keepdims), lists);
  }
  // A scalar, with every axis of none, and four runs of axes.
  check_op(name, [&op](auto x) { return op(x[0], Axes(), false); }, reduced_by(naive, {}, false),
           {{random_tensor<double>({}, 3)}});
  check_op(name,
           [&op](auto x) {
             return op(x[0], Axes{0, 2, 4}, false);
           },
           reduced_by(naive, {0, 2, 4}, false), {{random_tensor<double>({2, 3, 2, 5, 3}, 4)}});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reduction)

BOOST_AUTO_TEST_CASE(squares_of_a_norm_may_be_beyond_the_type) {
  for (const float size : {1e25F, 1e-30F}) {
    Tape<float> tape;
    const auto x = tape.watch(Tensor<float>({2}, {3 * size, 4 * size}));
    const auto y = norm(x);
    const auto close = boost::test_tools::tolerance(1e-6F);
    BOOST_TEST(y.item() == 5 * size, close);
    const auto slope = tape.gradients(y, {x})[0].value();
    BOOST_TEST(slope.data()[0] == 0.6F, close);
    BOOST_TEST(slope.data()[1] == 0.8F, close);
  }
}

BOOST_AUTO_TEST_CASE(battery) {
  check_reduction(
      "sum", [](auto x, auto axes, bool keep) { return sum(x, axes, keep); }, sum_of, true);
  check_reduction(
      "prod", [](auto x, auto axes, bool keep) { return prod(x, axes, keep); }, prod_of, true);
  check_reduction(
      "norm", [](auto x, auto axes, bool keep) { return norm(x, axes, keep); }, norm_of, false);
  check_reduction(
      "max", [](auto x, auto axes, bool keep) { return max(x, axes, keep); }, max_of, false);
  check_reduction(
      "min", [](auto x, auto axes, bool keep) { return min(x, axes, keep); }, min_of, false);
  check_reduction(
      "mean", [](auto x, auto axes, bool keep) { return mean(x, axes, keep); }, mean_of, false);
  check_reduction(
      "variance", [](auto x, auto axes, bool keep) { return variance(x, axes, keep); }, variance_of,
      false);
}

BOOST_AUTO_TEST_CASE(cumulative_sum) {
  for (const bool reversed : {false, true}) {
    for (const int axis : {0, 1, -1}) {
      check_op(
          "cumsum", [=](auto x) { return cumsum(x[0], axis, reversed); },
          [=](const Arguments& arguments) {
            Tensor<double> x = arguments[0];
            const Shape shape = x.shape();
            const int a = axis < 0 ? axis + 3 : axis;
            const std::int64_t stride = shape.size_of_axes(a + 1, 3);
            double* v = x.mutable_data();
            for (std::int64_t k = 0; k < x.size(); ++k) {
              const std::int64_t i = reversed ? x.size() - 1 - k : k;
              const std::int64_t position = i / stride % shape[a];
              const bool first = position == (reversed ? shape[a] - 1 : 0);
              if (!first) v[i] += v[i + (reversed ? stride : -stride)];
            }
            return x;
          },
          {{random_tensor<double>({2, 3, 5}, 1)},
           {random_tensor<double>({1, 1, 1}, 2)},
           {random_tensor<double>({2, 0, 3}, 3)}});
    }
  }
}

BOOST_AUTO_TEST_CASE(adjoint_of_broadcasting) {
  const auto to = [](Shape shape) { return [shape](auto x) { return sum_to(x[0], shape); }; };
  check_op("sum_to", to({3, 1}),
           [](const Arguments& a) {
             return reduced_by(sum_of, {0, 2}, true)(a).reshaped({3, 1});
           },
           {{random_tensor<double>({2, 3, 5}, 1)}});
  const Variable<double> x(random_tensor<double>({2, 3, 5}, 2));
  check_close("leading axis", sum_to(x, {3, 5}).value(), sum(x, 0).value(), 1e-15);
  check_close("inner axis", sum_to(x, {2, 3, 1}).value(), sum(x, 2, true).value(), 1e-15);
  check_close("to a scalar", sum_to(x, {}).value(), sum(x).value(), 1e-15);
  BOOST_TEST(sum_to(x, {2, 3, 5}).value().shares_storage_with(x.value()));
  refuses<ShapeError>("[sum_to] the result must broadcast to the operand; got (2) for (2, 3, 5)",
                      [&] { sum_to(x, {2}); });
}

BOOST_AUTO_TEST_CASE(of_nothing) {
  const Variable<double> empty(Tensor<double>::zeros({2, 0}));
  BOOST_TEST(sum(empty).item() == 0);
  BOOST_TEST(prod(empty).item() == 1);
  BOOST_TEST(norm(empty).item() == 0);
  BOOST_TEST(std::isnan(mean(empty).item()));
  BOOST_TEST(std::isnan(variance(empty).item()));
  check_close("sum", sum(empty, 1).value(), Tensor<double>({2}, {0, 0}), 0);
  refuses<ShapeError>("[max] the reduced axes must not be empty; got shape (2, 0)",
                      [&] { max(empty); });
  refuses<ShapeError>("[min] the reduced axes must not be empty; got shape (2, 0)",
                      [&] { min(empty, 1); });
  refuses<ShapeError>("[argmax] the reduced axes must not be empty; got shape (2, 0)",
                      [&] { argmax(empty.value(), 1); });
  BOOST_TEST(max(empty, 0).size() == 0);  // no results, so nothing is missing
  BOOST_TEST(argmax(empty.value(), 0).size() == 0);
}

BOOST_AUTO_TEST_CASE(ties_share_and_zeros_of_a_product) {
  Tape<double> tape;
  const auto slope = [&](const Variable<double>& y, const Variable<double>& x) {
    return tape.gradients(y, {x}, {.keep = true, .seed = Tensor<double>::ones(y.shape())})[0]
        .value();
  };
  const auto x = tape.watch(Tensor<double>({2, 3}, {5, 1, 5, 2, 2, 2}));
  check_close("max", slope(max(x, 1), x),
              Tensor<double>({2, 3}, {0.5, 0, 0.5, 1. / 3, 1. / 3, 1. / 3}), 1e-15);
  check_close("min", slope(min(x, 1), x), Tensor<double>({2, 3}, {0, 1, 0, 1. / 3, 1. / 3, 1. / 3}),
              1e-15);
  const auto z = tape.watch(Tensor<double>({3, 3}, {2, 0, 3, 0, 0, 3, 2, 5, 3}));
  check_close("prod", slope(prod(z, 1), z), Tensor<double>({3, 3}, {0, 6, 0, 0, 0, 0, 15, 6, 10}),
              1e-15);
  const auto origin = tape.watch(Tensor<double>::zeros({3}));
  check_close("norm at 0", slope(norm(origin), origin), Tensor<double>::zeros({3}), 0);
  // Higher orders of a product with zeros too.
  gradient_check([](const auto& v) { return prod(v[0], 1); },
                 {Tensor<double>({2, 3}, {2, 0, 3, 0, 0, 3})}, {.orders = 3});
}

BOOST_AUTO_TEST_CASE(index_of_the_largest) {
  const double nan = std::nan("");
  const Tensor<double> x({2, 3}, {1, 7, 7, nan, 9, nan});
  BOOST_TEST(identical(argmax(x, 1), Tensor<std::int64_t>({2}, {1, 0})));
  BOOST_TEST(identical(argmax(x, -1, true), Tensor<std::int64_t>({2, 1}, {1, 0})));
  BOOST_TEST(identical(argmax(x, 0), Tensor<std::int64_t>({3}, {1, 1, 1})));
  refuses<ArgumentError>("[argmax] axis must lie in [-2, 2); got 2", [&] { argmax(x, 2); });
}

BOOST_AUTO_TEST_CASE(not_a_number_wins_every_extreme) {
  const double nan = std::nan("");
  for (std::int64_t place = 0; place < 20; ++place) {
    Tensor<double> x = random_tensor<double>({20}, 5);
    x.set({place}, nan);
    BOOST_TEST(std::isnan(max(Variable<double>(x)).item()));
    BOOST_TEST(std::isnan(min(Variable<double>(x.reshaped({20, 1})), 0).item()));
  }
}

BOOST_AUTO_TEST_CASE(axes) {
  const Variable<double> x(Tensor<double>::ones({2, 3}));
  refuses<ArgumentError>("[sum] axis must lie in [-2, 2); got 2", [&] { sum(x, 2); });
  refuses<ArgumentError>("[mean] axis must lie in [-2, 2); got -3", [&] { mean(x, -3); });
  refuses<ArgumentError>("[variance] no axis must be named twice; got -1", [&] {
    variance(x, {1, -1});
  });
  refuses<ArgumentError>("[cumsum] axis must lie in [-2, 2); got 2", [&] { cumsum(x, 2); });
  refuses<ArgumentError>("[axes] there must be at most 8 axes; got 9", [&] {
    sum(x, {0, 1, 2, 3, 4, 5, 6, 7, 8});
  });
}

// Sums of floats run in double: a naive float sum is off by several per cent here.
BOOST_AUTO_TEST_CASE(long_sums_are_accurate) {
  for (const Shape& shape : {Shape{1 << 24}, Shape{1 << 20, 16}, Shape{16, 1 << 20}}) {
    const Variable<float> x(Tensor<float>(shape, 0.1f));
    BOOST_TEST(sum(x).item() == static_cast<float>(0.1f * 0x1p24), "shape " << shape.to_string());
    const auto columns = sum(x, 0).value();
    const double expected = static_cast<double>(0.1f) * static_cast<double>(shape[0]);
    for (const float value : {columns.data()[0], columns.data()[columns.size() - 1]}) {
      BOOST_TEST(value == static_cast<float>(expected));
    }
  }
  // And in double the error does not grow with the length.
  const Variable<double> y(Tensor<double>(Shape{1 << 22}, 0.1));
  BOOST_TEST(sum(y).item() == 0.1 * 0x1p22, boost::test_tools::tolerance(1e-14));
}

// Large ones take the paths with chunks and strips; every thread count gives the same bits.
BOOST_AUTO_TEST_CASE(large_shapes_and_threads) {
  const int before = threads();
  const struct {
    Shape shape;
    Axes axes;
  } cases[] = {{{300007}, {}},          {{70001, 3}, 0},         {{3, 70001}, 1},
               {{3, 70001}, 0},         {{50021, 7}, {}},        {{5, 9001, 7}, 1},
               {{17, 4099, 5}, {0, 2}}, {{2, 3, 50021}, {0, 2}}, {{1021, 5003}, 0}};
  for (const auto& [shape, axes] : cases) {
    const auto x = random_tensor<float>(shape, 11);
    const auto wide = x.template cast<double>();
    std::vector<Tensor<float>> sums, largest;
    for (const int count : {1, 2, 3}) {
      set_threads(count);
      sums.push_back(sum(Variable<float>(x), axes).value());
      largest.push_back(max(Variable<float>(x), axes).value());
    }
    BOOST_TEST_CONTEXT(shape.to_string()) {
      BOOST_TEST(identical(sums[0], sums[1]));
      BOOST_TEST(identical(sums[0], sums[2]));
      check_close("sum", sums[0].template cast<double>(), reduced_by(sum_of, axes, false)({wide}),
                  1e-6);
      BOOST_TEST(
          identical(largest[1], reduced_by(max_of, axes, false)({wide}).template cast<float>()));
    }
  }
  set_threads(before);
}

BOOST_AUTO_TEST_CASE(variance_beside_a_large_mean) {
  Tensor<double> x = random_tensor<double>({1000}, 3);
  const double expected = variance(Variable<double>(x)).item();
  for (double& v : x.mutable_values()) v += 1e6;
  BOOST_TEST(variance(Variable<double>(x)).item() == expected, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
