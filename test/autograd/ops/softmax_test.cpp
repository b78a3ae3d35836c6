#include <cmath>
#include <lamina/autograd/ops/softmax.hpp>
#include <limits>

#include "support/op_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

namespace {

// exp(x) summed over the axes, with those axes kept.
Tensor<double> totals(const Tensor<double>& x, const Axes& axes) {
  const unsigned mask = axes.mask(x.rank(), "oracle");
  Tensor<double> result = Tensor<double>::zeros(reduced_shape(x.shape(), mask, true));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    std::int64_t rest = i, place = 0, stride = 1;
    for (int axis = x.rank(); axis-- > 0; rest /= x.shape()[axis]) {
      if ((mask >> axis) & 1) continue;
      place += rest % x.shape()[axis] * stride;
      stride *= x.shape()[axis];
    }
    result.mutable_data()[place] += std::exp(x.data()[i]);
  }
  return result;
}

const std::vector<Axes> kAxes{Axes{}, 0, -1, {0, 2}, {1, 2}};
const std::vector<Arguments> kInputs{{random_tensor<double>({2, 3, 5}, 1, -2, 2)},
                                     {random_tensor<double>({1, 1, 1}, 2)}};

}  // namespace

BOOST_AUTO_TEST_SUITE(softmax_family)

BOOST_AUTO_TEST_CASE(battery) {
  for (const Axes& axes : kAxes) {
    check_op(
        "softmax", [axes](auto x) { return softmax(x[0], axes); },
        [axes](const Arguments& a) {
          return elementwise<2>([](double v, double s) { return std::exp(v) / s; })(
              {a[0], totals(a[0], axes)});
        },
        kInputs, {.orders = 3});
    check_op(
        "log_softmax", [axes](auto x) { return log_softmax(x[0], axes); },
        [axes](const Arguments& a) {
          return elementwise<2>([](double v, double s) { return v - std::log(s); })(
              {a[0], totals(a[0], axes)});
        },
        kInputs, {.orders = 3});
    check_op(
        "logsumexp", [axes](auto x) { return logsumexp(x[0], axes, true); },
        [axes](const Arguments& a) {
          return elementwise<1>([](double s) { return std::log(s); })({totals(a[0], axes)});
        },
        kInputs, {.orders = 3});
  }
  check_op(
      "logsumexp",
      [](auto x) {
        return logsumexp(x[0], {0, 2});
      },
      [](const Arguments& a) {
        return elementwise<1>([](double s) { return std::log(s); })(
            {totals(a[0], {0, 2}).reshaped({a[0].shape()[1]})});
      },
      kInputs);
}

BOOST_AUTO_TEST_CASE(nothing_at_all) {
  const Variable<double> empty(Tensor<double>::zeros({2, 0}));
  BOOST_TEST(softmax(empty).size() == 0);
  BOOST_TEST(log_softmax(empty).size() == 0);
  BOOST_TEST(logsumexp(empty).item() == -std::numeric_limits<double>::infinity());
}

BOOST_AUTO_TEST_CASE(any_size_of_argument) {
  const double infinity = std::numeric_limits<double>::infinity(), log2 = std::log(2.0);
  const Variable<double> x(
      Tensor<double>({4, 2}, {1000, 1000, -1000, -1000, 1000, -1000, -infinity, 3}));
  check_close("softmax", softmax(x).value(),
              Tensor<double>({4, 2}, {0.5, 0.5, 0.5, 0.5, 1, 0, 0, 1}), 1e-15);
  check_close("log_softmax", log_softmax(x).value(),
              Tensor<double>({4, 2}, {-log2, -log2, -log2, -log2, 0, -2000, -infinity, 0}), 1e-15);
  check_close("logsumexp", logsumexp(x, 1).value(),
              Tensor<double>({4}, {1000 + log2, -1000 + log2, 1000, 3}), 1e-15);
  const Variable<double> edges(Tensor<double>({2, 2}, {-infinity, -infinity, infinity, 0}));
  check_close("logsumexp", logsumexp(edges, 1).value(), Tensor<double>({2}, {-infinity, infinity}),
              0);
}

BOOST_AUTO_TEST_CASE(refusals) {
  const Variable<double> x(Tensor<double>::ones({2, 3}));
  refuses<ArgumentError>("[softmax] axis must lie in [-2, 2); got 2", [&] { softmax(x, 2); });
  refuses<ArgumentError>("[log_softmax] axis must lie in [-2, 2); got 2",
                         [&] { log_softmax(x, 2); });
  refuses<ArgumentError>("[logsumexp] axis must lie in [-2, 2); got 2", [&] { logsumexp(x, 2); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lamina::test
