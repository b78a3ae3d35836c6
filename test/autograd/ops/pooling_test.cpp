// Pooling against loops that look at every window element by element.
#include <fmt/core.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/ops/pooling.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>
#include <utility>
#include <vector>

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

// The positions of the input, in order, that output (i, j) sees along each axis.
std::vector<std::int64_t> seen(std::int64_t in, std::int64_t at, std::size_t axis,
                               const PoolingOptions& options) {
  const std::int64_t stride = options.strides.value_or(options.pool)[axis];
  const std::int64_t pool = options.pool[axis];
  std::int64_t before = options.padding.before()[axis];
  if (options.padding == Padding::same) {
    const std::int64_t out = (in + stride - 1) / stride;
    before = std::max<std::int64_t>(0, (out - 1) * stride + pool - in) / 2;
  }
  std::vector<std::int64_t> result;
  for (std::int64_t tap = 0; tap < pool; ++tap) {
    const std::int64_t position = at * stride + tap - before;
    if (position >= 0 && position < in) result.push_back(position);
  }
  return result;
}

struct Naive {
  Tensor<double> maximum;
  Tensor<double> maximum_gradient;
  Tensor<double> average;
  Tensor<double> average_gradient;
};

Naive naive(const Tensor<double>& x, const Tensor<double>& dy, const PoolingOptions& options) {
  Naive result{Tensor<double>::zeros(dy.shape()), Tensor<double>::zeros(x.shape()),
               Tensor<double>::zeros(dy.shape()), Tensor<double>::zeros(x.shape())};
  const Shape& out = dy.shape();
  for (std::int64_t n = 0; n < out[0]; ++n)
    for (std::int64_t i = 0; i < out[1]; ++i)
      for (std::int64_t j = 0; j < out[2]; ++j)
        for (std::int64_t c = 0; c < out[3]; ++c) {
          std::vector<std::array<std::int64_t, 2>> window;
          for (const std::int64_t row : seen(x.shape()[1], i, 0, options))
            for (const std::int64_t column : seen(x.shape()[2], j, 1, options))
              window.push_back({row, column});
          BOOST_REQUIRE(!window.empty());
          auto best = window.front();
          double sum = 0;
          for (const auto& [row, column] : window) {
            const double value = x.at({n, row, column, c});
            sum += value;
            const double best_value = x.at({n, best[0], best[1], c});
            if (std::isnan(best_value)) continue;
            if (value > best_value || std::isnan(value)) best = {row, column};
          }
          const double gradient = dy.at({n, i, j, c});
          const auto count = static_cast<double>(window.size());
          result.maximum.set({n, i, j, c}, x.at({n, best[0], best[1], c}));
          result.average.set({n, i, j, c}, sum / count);
          const auto add = [&](Tensor<double>& to, std::int64_t row, std::int64_t column,
                               double value) {
            to.set({n, row, column, c}, to.at({n, row, column, c}) + value);
          };
          add(result.maximum_gradient, best[0], best[1], gradient);
          for (const auto& [row, column] : window) {
            add(result.average_gradient, row, column, gradient / count);
          }
        }
  return result;
}

template <class Op>
std::pair<Tensor<double>, Tensor<double>> value_and_gradient(Op&& op, const Tensor<double>& x,
                                                             const Tensor<double>& dy) {
  Tape<double> tape;
  const Variable<double> input = tape.watch(x);
  const Variable<double> y = op(input);
  return {y.value(), tape.gradients(y, {input}, {.seed = dy})[0].value()};
}

void check_against_naive(const Tensor<double>& x, PoolingOptions options) {
  BOOST_TEST_CONTEXT(fmt::format(
      "x {} pool {},{} strides {} padding {}", x.shape().to_string(), options.pool[0],
      options.pool[1], options.strides ? (*options.strides)[0] : 0, options.padding.to_string())) {
    const Tensor<double> dy =
        random_tensor<double>(pool2d_output_shape(x.shape(), options, "test"), 5);
    const Naive expected = naive(x, dy, options);
    for (const Layout layout : {Layout::channels_last, Layout::channels_first}) {
      options.layout = layout;
      const auto arrange = [&](const Tensor<double>& image) {
        return layout == Layout::channels_last ? image
                                               : transpose<double>(image, {0, 3, 1, 2}).value();
      };
      const auto [maximum, maximum_gradient] = value_and_gradient(
          [&](const auto& input) { return max_pool2d(input, options); }, arrange(x), arrange(dy));
      BOOST_TEST(identical(maximum, arrange(expected.maximum)));
      check_close("max gradient", maximum_gradient, arrange(expected.maximum_gradient), 1e-14);
      const auto [average, average_gradient] =
          value_and_gradient([&](const auto& input) { return average_pool2d(input, options); },
                             arrange(x), arrange(dy));
      check_close("average", average, arrange(expected.average), 1e-14);
      check_close("average gradient", average_gradient, arrange(expected.average_gradient), 1e-14);
    }
  }
}

BOOST_AUTO_TEST_SUITE(pooling)

BOOST_AUTO_TEST_CASE(equals_the_naive_form_over_every_combination_of_options) {
  for (const Pair pool : {Pair{1, 1}, Pair{2, 2}, Pair{3, 2}, Pair{2, 5}})
    for (const std::optional<Pair> strides :
         {std::optional<Pair>{}, std::optional<Pair>{{1, 1}}, std::optional<Pair>{{2, 3}}})
      for (const Padding& padding : {Padding::valid, Padding::same})
        check_against_naive(random_tensor<double>({2, 7, 11, 3}, 1),
                            {.pool = pool, .strides = strides, .padding = padding});
  check_against_naive(random_tensor<double>({2, 7, 11, 3}, 1),
                      {.pool = {3, 2}, .strides = Pair{2, 1}, .padding = Padding(2, 1, 0, 1)});
}

// Few values, so that many are equal, and some NaNs.
Tensor<double> with_ties(const Shape& shape) {
  Tensor<double> x = random_tensor<double>(shape, 7);
  double* const values = x.mutable_data();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    values[i] = i % 23 == 5 ? std::numeric_limits<double>::quiet_NaN() : std::round(2 * values[i]);
  }
  return x;
}

BOOST_AUTO_TEST_CASE(takes_windows_side_by_side_over_all_extents) {
  for (const std::int64_t edge : {2, 3}) {
    const PoolingOptions options{.pool = {edge, edge}};
    for (const std::int64_t columns : {1, 2, 4, 5, 7, 8, 9, 14, 33}) {
      for (const std::int64_t more : {0, 1}) {
        check_against_naive(with_ties({2, edge * 5 + more, edge * columns, 3}), options);
        check_against_naive(with_ties({1, edge * 2, edge * columns + more, 70}), options);
      }
    }
    check_against_naive(with_ties({2, 100 * edge, 480, 1}), options);  // several jobs
    // As long as a run of the kernel, and longer.
    check_against_naive(with_ties({1, 4 * edge, 512 / edge * edge, 1}), options);
    check_against_naive(with_ties({1, 2 * edge, 512 / edge * edge + edge, 2}), options);
  }
}

BOOST_AUTO_TEST_CASE(takes_many_channels_and_windows_of_more_than_256_elements) {
  check_against_naive(random_tensor<double>({3, 5, 7, 131}, 2), {.padding = Padding::same});
  check_against_naive(random_tensor<double>({2, 23, 19, 3}, 3),
                      {.pool = {17, 19}, .strides = Pair{3, 1}, .padding = Padding::same});
}

BOOST_AUTO_TEST_CASE(takes_extents_of_zero_and_one) {
  for (const Shape& shape : {Shape{0, 4, 6, 3}, Shape{2, 4, 6, 0}, Shape{1, 2, 2, 1}}) {
    check_against_naive(random_tensor<double>(shape, 1), {});
  }
  const PoolingOptions same{.padding = Padding::same};
  check_against_naive(random_tensor<double>({1, 1, 1, 1}, 1), same);
  check_against_naive(random_tensor<double>({2, 0, 3, 1}, 1), same);
}

// What lies beyond the image costs nothing.
BOOST_AUTO_TEST_CASE(takes_windows_much_larger_than_the_image) {
  constexpr std::int64_t kHuge = 2147483647, kEnough = 101;
  const Tensor<double> x = with_ties({2, 4, 5, 2});
  for (const Pair pool : {Pair{3, kHuge}, Pair{kHuge, kHuge}, Pair{20001, 1}}) {
    for (const std::optional<Pair> strides : {std::optional<Pair>{}, std::optional<Pair>{{1, 1}}}) {
      for (const Layout layout : {Layout::channels_last, Layout::channels_first}) {
        const PoolingOptions large{
            .pool = pool, .strides = strides, .padding = Padding::same, .layout = layout};
        PoolingOptions enough = large;  // every window holds the same elements
        for (std::int64_t& extent : enough.pool) extent = std::min(extent, kEnough);
        const Tensor<double> dy =
            random_tensor<double>(pool2d_output_shape(x.shape(), large, "test"), 5);
        for (const bool maximum : {false, true}) {
          const auto results = [&](const PoolingOptions& options) {
            return value_and_gradient(
                [&](const auto& input) {
                  return maximum ? max_pool2d(input, options) : average_pool2d(input, options);
                },
                x, dy);
          };
          const auto [y, dx] = results(large);
          const auto [expected_y, expected_dx] = results(enough);
          BOOST_TEST(identical(y, expected_y));
          BOOST_TEST(identical(dx, expected_dx));
        }
      }
    }
    check_against_naive(x, {.pool = {std::min(pool[0], kEnough), std::min(pool[1], kEnough)},
                            .padding = Padding::same});
  }
}

BOOST_AUTO_TEST_CASE(windows_without_elements_are_refused) {
  for (const Layout layout : {Layout::channels_last, Layout::channels_first}) {
    const Shape shape = layout == Layout::channels_last ? Shape{1, 4, 0, 5} : Shape{1, 5, 4, 0};
    const Variable<float> x(Tensor<float>(shape, 0.0F));
    const PoolingOptions options{.pool = {3, 3}, .padding = Padding(2, 2, 2, 2), .layout = layout};
    const std::string text = "every window must hold an element of the input; got input " +
                             shape.to_string() + ", padding ((2, 2), (2, 2))";
    refuses<ShapeError>("[max_pool2d] " + text, [&] { max_pool2d(x, options); });
    refuses<ShapeError>("[average_pool2d] " + text, [&] { average_pool2d(x, options); });
  }
}

BOOST_AUTO_TEST_CASE(of_equal_maxima_the_first_wins_and_nan_over_all) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  check_against_naive(Tensor<double>({1, 4, 4, 1}, 2.0), {.pool = {3, 3}, .strides = Pair{1, 1}});
  check_against_naive(Tensor<double>({1, 2, 2, 1}, -infinity),
                      {.pool = {3, 3}, .strides = Pair{1, 1}, .padding = Padding::same});
  const Tensor<double> x({1, 2, 4, 1}, {1, nan, 5, nan, nan, 2, nan, 7});
  check_against_naive(x, {});
  BOOST_TEST(std::isnan(max_pool2d<double>(x).value().data()[1]));
}

BOOST_AUTO_TEST_CASE(gives_the_same_bits_for_one_and_two_threads) {
  const int before = threads();
  const Tensor<float> x = random_tensor<float>({29, 17, 19, 23}, 1);
  const PoolingOptions options{.pool = {3, 3}, .strides = Pair{2, 2}, .padding = Padding::same};
  std::vector<Tensor<float>> results[2];
  for (int count = 1; count <= 2; ++count) {
    set_threads(count);
    for (const bool maximum : {false, true}) {
      Tape<float> tape;
      const Variable<float> input = tape.watch(x);
      const Variable<float> y =
          maximum ? max_pool2d(input, options) : average_pool2d(input, options);
      results[count - 1].push_back(y.value());
      results[count - 1].push_back(tape.gradients(y, {input}, {.seed = y.value()})[0].value());
    }
  }
  set_threads(before);
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(identical(results[0][i], results[1][i]));
}

BOOST_AUTO_TEST_CASE(errors_name_the_op_and_what_came) {
  const Variable<double> x = Tensor<double>({2, 5, 7, 3}, 0.0);
  refuses<ArgumentError>("[max_pool2d] pool must lie in [1, 2147483647]; got (0, 2)", [&] {
    max_pool2d(x, {.pool = {0, 2}});
  });
  refuses<ArgumentError>("[average_pool2d] strides must lie in [1, 2147483647]; got (1, 0)", [&] {
    average_pool2d(x, {.strides = Pair{1, 0}});
  });
  refuses<ArgumentError>(
      "[max_pool2d] padding must be smaller than the window; got padding "
      "((0, 2), (0, 0)), pool (2, 2)",
      [&] { max_pool2d(x, {.padding = Padding(0, 2, 0, 0)}); });
  refuses<ArgumentError>("[max_pool2d] padding must lie in [0, 2147483647]; got ((-1, 0), (0, 0))",
                         [&] { max_pool2d(x, {.padding = Padding(-1, 0, 0, 0)}); });
  refuses<ShapeError>("[max_pool2d] the input must have 4 axes; got (5, 7, 3)", [&] {
    max_pool2d(Variable<double>(Tensor<double>({5, 7, 3}, 0.0)));
  });
  refuses<ShapeError>(
      "[average_pool2d] the window must fit in the padded input; got input (2, 5, 7, 3), pool "
      "(2, 8), padding valid",
      [&] {
        average_pool2d(x, {.pool = {2, 8}});
      });
}

BOOST_AUTO_TEST_CASE(battery) {
  struct Row {
    Shape x;
    PoolingOptions options;
  };
  for (const Row& row :
       {Row{{2, 4, 5, 3}, {}}, Row{{1, 5, 3, 2}, {.pool = {3, 2}, .strides = Pair{2, 1}}},
        Row{{2, 3, 5, 1}, {.pool = {2, 3}, .strides = Pair{1, 2}, .padding = Padding::same}},
        Row{{1, 3, 4, 2}, {.pool = {2, 2}, .strides = Pair{3, 1}, .padding = Padding(1, 0, 0, 1)}},
        Row{{1, 17, 17, 2}, {.pool = {17, 16}, .strides = Pair{1, 1}}}, Row{{0, 4, 4, 2}, {}},
        Row{{2, 1, 1, 1}, {.padding = Padding::same}}}) {
    // Distinct elements, far from ties.
    Tensor<double> x = Tensor<double>::uninitialized(row.x);
    for (std::int64_t i = 0; i < x.size(); ++i) {
      x.mutable_data()[i] = static_cast<double>(i * 7919 % 1009) / 1009;
    }
    const Tensor<double> none =
        Tensor<double>::zeros(pool2d_output_shape(row.x, row.options, "test"));
    const Naive expected = naive(x, none, row.options);
    for (const Layout layout : {Layout::channels_last, Layout::channels_first}) {
      PoolingOptions options = row.options;
      options.layout = layout;
      const auto arrange = [&](const Tensor<double>& image) {
        return layout == Layout::channels_last ? image
                                               : transpose<double>(image, {0, 3, 1, 2}).value();
      };
      check_op(
          "max_pool2d", [&](auto v) { return max_pool2d(v[0], options); },
          [&](const Arguments&) { return arrange(expected.maximum); }, {{arrange(x)}},
          {.orders = 3});
      check_op(
          "average_pool2d", [&](auto v) { return average_pool2d(v[0], options); },
          [&](const Arguments&) { return arrange(expected.average); }, {{arrange(x)}},
          {.orders = 3});
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
