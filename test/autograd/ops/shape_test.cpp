// Shape ops against element-by-element copies.
#include <boost/test/unit_test.hpp>
#include <functional>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>
#include <numeric>
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
using Index = std::vector<std::int64_t>;

std::int64_t position(const Shape& shape, const Index& index) {
  std::int64_t result = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    result = result * shape[axis] + index[static_cast<std::size_t>(axis)];
  }
  return result;
}

// The tensor of `shape` whose element at an index is the one of x at `from(index)`, or `otherwise`
// where that is empty.
Tensor<double> picked(const Tensor<double>& x, const Shape& shape,
                      const std::function<Index(const Index&)>& from, double otherwise = 0) {
  Tensor<double> result = Tensor<double>::zeros(shape);
  double* const out = result.mutable_data();
  Index index(static_cast<std::size_t>(shape.rank()), 0);
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    std::int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      index[static_cast<std::size_t>(axis)] = rest % shape[axis];
      rest /= shape[axis];
    }
    const Index at = from(index);
    out[i] = at.empty() && shape.rank() > 0 ? otherwise : x.data()[position(x.shape(), at)];
  }
  return result;
}

Variable<double> numbers(const Shape& shape) { return random_tensor<double>(shape, 7); }

BOOST_AUTO_TEST_SUITE(shape_ops)

BOOST_AUTO_TEST_CASE(reshape_keeps_order_shares_storage_and_infers_one_extent) {
  const Variable<double> x = numbers({2, 3, 5});
  const Variable<double> y = reshape(x, {5, -1});
  BOOST_TEST(y.shape().to_string() == "(5, 6)");
  BOOST_TEST(y.value().shares_storage_with(x.value()));
  BOOST_TEST(reshape(x, {30}).shape().to_string() == "(30)");
  BOOST_TEST(reshape(numbers({0, 3}), {-1, 3}).shape().to_string() == "(0, 3)");
  BOOST_TEST(reshape(numbers({1}), Shape{}).rank() == 0);
}

BOOST_AUTO_TEST_CASE(transpose_moves_every_axis) {
  const Variable<double> x = numbers({2, 3, 5, 7});
  std::vector<int> axes{0, 1, 2, 3};
  do {
    Shape shape = x.shape();
    for (int i = 0; i < 4; ++i) {
      shape = shape.with(i, x.shape()[axes[static_cast<std::size_t>(i)]]);
    }
    const Tensor<double> expected = picked(x.value(), shape, [&](const Index& index) {
      Index from(4);
      for (std::size_t i = 0; i < 4; ++i) from[static_cast<std::size_t>(axes[i])] = index[i];
      return from;
    });
    BOOST_TEST(identical(transpose(x, std::span<const int>(axes)).value(), expected));
  } while (std::next_permutation(axes.begin(), axes.end()));
  BOOST_TEST(identical(transpose(x).value(), transpose(x, {-1, -2, -3, -4}).value()));
  BOOST_TEST(transpose(numbers({3, 0, 2})).shape().to_string() == "(2, 0, 3)");
  BOOST_TEST(transpose(numbers({})).rank() == 0);
}

BOOST_AUTO_TEST_CASE(large_transposes_are_cut_into_tiles_and_right) {
  const Variable<double> x = numbers({173, 7, 211});
  const Tensor<double> expected = picked(x.value(), {211, 173, 7}, [](const Index& index) {
    return Index{index[1], index[2], index[0]};
  });
  const int before = threads();
  for (const int count : {1, 2}) {
    set_threads(count);
    BOOST_TEST(identical(transpose(x, {2, 0, 1}).value(), expected));
  }
  set_threads(before);
}

// Every start, stop and step against Python's rule, computed the slow way.
BOOST_AUTO_TEST_CASE(slice_follows_numpy_for_every_start_stop_and_step) {
  const Variable<double> x = numbers({5, 3});
  using Bound = std::optional<std::int64_t>;
  std::vector<Bound> bounds{std::nullopt};
  for (std::int64_t i = -7; i <= 7; ++i) bounds.push_back(i);
  int cases = 0;
  for (const std::int64_t step : {-7, -3, -2, -1, 1, 2, 3, 7})
    for (const Bound& start : bounds)
      for (const Bound& stop : bounds) {
        const std::int64_t low = step > 0 ? 0 : -1;
        const std::int64_t high = step > 0 ? 5 : 4;
        const auto resolved = [&](const Bound& bound, std::int64_t otherwise) {
          if (!bound) return otherwise;
          return std::min(high, std::max(low, *bound < 0 ? *bound + 5 : *bound));
        };
        Index rows;
        const std::int64_t end = resolved(stop, step > 0 ? high : low);
        for (std::int64_t i = resolved(start, step > 0 ? low : high); step > 0 ? i < end : i > end;
             i += step) {
          rows.push_back(i);
        }
        const Tensor<double> expected =
            picked(x.value(), {static_cast<std::int64_t>(rows.size()), 3}, [&](const Index& index) {
              return Index{rows[static_cast<std::size_t>(index[0])], index[1]};
            });
        const Tensor<double> y = slice(x, {{.start = start, .stop = stop, .step = step}}).value();
        BOOST_TEST(identical(y, expected));
        ++cases;
      }
  BOOST_TEST(cases == 8 * 16 * 16);
}

BOOST_AUTO_TEST_CASE(slice_takes_several_axes_and_extreme_steps) {
  const Variable<double> x = numbers({5, 3, 7});
  const Tensor<double> expected = picked(x.value(), {5, 2, 3}, [](const Index& index) {
    return Index{index[0], index[1] + 1, 6 - 2 * index[2]};
  });
  BOOST_TEST(identical(slice(x, {{}, {.start = 1}, {.start = -1, .stop = 1, .step = -2}}).value(),
                       expected));
  for (const std::int64_t step :
       {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    BOOST_TEST(slice(x, {{.step = step}}).shape().to_string() == "(1, 3, 7)");
  }
}

BOOST_AUTO_TEST_CASE(pad_surrounds_with_the_value) {
  const Variable<double> x = numbers({2, 3});
  const Tensor<double> expected = picked(
      x.value(), {2 + 1 + 2, 3 + 0 + 4},
      [](const Index& index) {
        const bool inside = index[0] >= 1 && index[0] < 3 && index[1] < 3;
        return inside ? Index{index[0] - 1, index[1]} : Index{};
      },
      -1.5);
  BOOST_TEST(identical(pad(x, {{1, 2}, {0, 4}}, -1.5).value(), expected));
  BOOST_TEST(
      identical(pad(numbers({0, 2}), {{1, 1}, {0, 0}}, 3).value(), Tensor<double>({2, 2}, 3.0)));
}

BOOST_AUTO_TEST_CASE(pads_beyond_all_memory_are_refused) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  for (const Pad& one : {Pad{kMost, kMost}, Pad{kMost, kMost - 2}, Pad{0, kMost / 2}}) {
    BOOST_CHECK_THROW(pad(numbers({3}), {one}, 0), ArgumentError);
  }
  BOOST_CHECK_THROW(pad(numbers({3}), {{kMost / 4, kMost / 4}}, 0), Error);
}

BOOST_AUTO_TEST_CASE(flip_reverses_the_named_axes) {
  const Variable<double> x = numbers({2, 3, 5});
  const Tensor<double> expected = picked(x.value(), {2, 3, 5}, [](const Index& index) {
    return Index{1 - index[0], index[1], 4 - index[2]};
  });
  BOOST_TEST(identical(flip(x, {0, -1}).value(), expected));
  BOOST_TEST(identical(flip(x).value(), flip(x, {0, 1, 2}).value()));
}

BOOST_AUTO_TEST_CASE(tile_repeats_every_axis) {
  const Variable<double> x = numbers({2, 3, 1, 5, 1, 2});
  const Tensor<double> expected = picked(x.value(), {4, 3, 3, 5, 2, 6}, [](const Index& index) {
    return Index{index[0] % 2, index[1], 0, index[3], 0, index[5] % 2};
  });
  BOOST_TEST(identical(tile(x, {2, 1, 3, 1, 2, 3}).value(), expected));
  BOOST_TEST(tile(numbers({2, 3}), {0, 2}).shape().to_string() == "(0, 6)");
}

BOOST_AUTO_TEST_CASE(broadcast_to_repeats_extents_of_one_and_new_axes) {
  const Variable<double> x = numbers({3, 1, 5});
  const Tensor<double> expected = picked(x.value(), {2, 3, 7, 5}, [](const Index& index) {
    return Index{index[1], 0, index[3]};
  });
  BOOST_TEST(identical(broadcast_to(x, {2, 3, 7, 5}).value(), expected));
  BOOST_TEST(broadcast_to(x, x.shape()).value().shares_storage_with(x.value()));
  BOOST_TEST(broadcast_to(numbers({1, 3}), {0, 3}).shape().to_string() == "(0, 3)");
  BOOST_TEST(identical(broadcast_to(numbers({}), {2, 2}).value(),
                       Tensor<double>({2, 2}, numbers({}).item())));
}

BOOST_AUTO_TEST_CASE(errors_name_the_op_and_what_came) {
  const Variable<double> x = numbers({2, 3});
  refuses<ShapeError>("[reshape] the number of elements must stay; got (5) for (2, 3)",
                      [&] { reshape(x, Shape{5}); });
  const std::string inferred =
      "[reshape] the number of elements must stay, with at most one extent of -1; got ";
  refuses<ShapeError>(inferred + "(-1, 4) for (2, 3)", [&] { reshape(x, {-1, 4}); });
  refuses<ShapeError>(inferred + "(-1, -1) for (2, 3)", [&] { reshape(x, {-1, -1}); });
  refuses<ShapeError>(inferred + "(-2, 3) for (2, 3)", [&] { reshape(x, {-2, 3}); });
  refuses<ShapeError>(inferred + "(-1, 0) for (0)", [&] { reshape(numbers({0}), {-1, 0}); });
  refuses<ArgumentError>(
      "[transpose] the axes must be a permutation of the tensor's; got (0, 0) for (2, 3)", [&] {
        transpose(x, {0, 0});
      });
  BOOST_CHECK_THROW(transpose(x, {0}), ArgumentError);
  BOOST_CHECK_THROW(transpose(x, {0, 2}), ArgumentError);
  refuses<ArgumentError>("[slice] a step must not be 0; got 0 for axis 1", [&] {
    slice(x, {{}, {.step = 0}});
  });
  refuses<ShapeError>("[slice] there must be at most one range per axis; got 3 ranges for (2, 3)",
                      [&] {
                        slice(x, {{}, {}, {}});
                      });
  refuses<ArgumentError>("[pad] pads must not be negative; got (0, -1)", [&] {
    pad(x, {{0, 0}, {0, -1}});
  });
  refuses<ShapeError>("[pad] every axis must have its pads; got 1 for (2, 3)", [&] {
    pad(x, {{0, 0}});
  });
  refuses<ArgumentError>("[flip] no axis must be named twice; got -1", [&] { flip(x, {1, -1}); });
  BOOST_CHECK_THROW(flip(x, {2}), ArgumentError);
  refuses<ArgumentError>("[tile] multiples must not be negative; got (1, -1)", [&] {
    tile(x, {1, -1});
  });
  refuses<ShapeError>("[tile] every axis must have its multiple; got (1) for (2, 3)",
                      [&] { tile(x, {1}); });
  refuses<ShapeError>(
      "[broadcast_to] extents must agree or be 1; got (2, 3), expected what broadcasts to (2, 4)",
      [&] {
        broadcast_to(x, {2, 4});
      });
}

// Pairs of an argument and what the op must give.
Arguments of(const Shape& shape) { return {numbers(shape).value()}; }

BOOST_AUTO_TEST_CASE(battery) {
  const auto check = [](const std::string& name, auto op, const std::vector<Arguments>& lists,
                        const test::Oracle& oracle = {}) {
    check_op(name, [&](auto x) { return op(x[0]); }, oracle, lists, {.orders = 3});
  };
  check(
      "reshape",
      [](auto x) {
        return reshape(x, {-1, 3});
      },
      {of({2, 3, 5}), of({1, 3}), of({0, 3})},
      [](const Arguments& x) {
        return x[0].reshaped({x[0].size() / 3, 3});
      });
  check("transpose", [](auto x) { return transpose(x); },
        {of({2, 3, 5}), of({7}), of({}), of({0, 3})});
  check("transpose",
        [](auto x) {
          return transpose(x, {2, 0, 3, 1});
        },
        {of({2, 3, 5, 2}), of({1, 3, 1, 2}), of({0, 3, 1, 2})});
  check("slice",
        [](auto x) {
          return slice(x, {{.start = 1, .step = 2}, {.stop = -1}});
        },
        {of({5, 3, 2}), of({2, 1}), of({1, 3}), of({0, 3})});
  check("slice",
        [](auto x) {
          return slice(x, {{.start = -2, .step = -3}, {}, {.step = -1}});
        },
        {of({7, 2, 3}), of({1, 1, 1})});
  check("pad",
        [](auto x) {
          return pad(x, {{1, 0}, {2, 3}}, -1.5);
        },
        {of({2, 3}), of({1, 1}), of({0, 3})});
  check("flip", [](auto x) { return flip(x, {0, -1}); }, {of({2, 3, 5}), of({1, 1}), of({0, 3})});
  check("tile",
        [](auto x) {
          return tile(x, {2, 1, 3});
        },
        {of({2, 3, 2}), of({1, 1, 1}), of({0, 3, 1})});
  check("tile", [](auto x) { return tile(x, {0, 2}); }, {of({2, 3})});
  check("broadcast_to",
        [](auto x) {
          return broadcast_to(x, {2, 3, 5});
        },
        {of({2, 3, 5}), of({3, 1}), of({2, 1, 5}), of({}), of({1})});
  check("broadcast_to",
        [](auto x) {
          return broadcast_to(x, {2, 0, 5});
        },
        {of({0, 1}), of({1, 5})});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
