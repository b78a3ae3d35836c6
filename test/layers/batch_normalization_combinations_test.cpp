// Every combination of batch normalization's options, in float and double, in training, inference
// and frozen, against the naive form: the output, and all of the state that the call leaves.
#include <boost/test/unit_test.hpp>

#include "layers/batch_normalization_cases.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

const Shape kInput{6, 3, 4, 2};  // three ghost batches of two

template <class Function>
void for_each_combination(const Function& function) {
  for (const auto& axis : kAxes) {
    for (const auto correction : kCorrections) {
      for (const auto adjusted : kAdjusted) {
        for (const auto& fused : kFused) {
          for (const int affine : {0, 1, 2, 3}) {
            function(Combination{axis, correction, adjusted, (affine & 1) != 0, (affine & 2) != 0,
                                 fused});
          }
        }
      }
    }
  }
}

// Double: some roundings of 1e-16 in numbers around 1. Float: statistics to 1e-6, and a handful of
// roundings of 6e-8 in each of the up to four scales and shifts behind them.
template <Scalar T>
constexpr double kTolerance = std::is_same_v<T, float> ? 2e-6 : 1e-13;

// An input, an adjustment, and the layer and the naive form of a combination in the same state.
template <Scalar T>
struct Drawn {
  Tensor<T> x, a, b;
  BatchNormalizationOptions options;
  BatchNormalization<T> layer;
  NaiveBatchNormalization naive;

  explicit Drawn(const Combination& c)
      : x(drawn<T>(kInput, "x", 0.3, 1.7)),
        a(drawn<T>(c.adjustment_shape(kInput), "a", 1, 0.2)),
        b(drawn<T>(c.adjustment_shape(kInput), "b", 0, 0.2)),
        options(c.options(adjustment_of(c))),
        layer(drawn_layer<T>(options, kInput)),
        naive(options, kInput, state_in_double<T>(layer), dtype_of<T>()) {}

 private:
  Adjustment adjustment_of(const Combination& c) const {
    if (c.adjusted == Adjusted::no) return {};
    return [scale = a, bias = b](const Shape&) {
      return ScaleAndBias<T>{.scale = scale, .bias = bias};
    };
  }
};

template <Scalar T>
void check_combination(const Combination& c, Mode mode) {
  Drawn<T> drawn_parts(c);
  auto& [x, a, b, options, layer, naive] = drawn_parts;
  if (mode == Mode::frozen) layer.freeze();

  const auto y = layer(x, {.training = mode != Mode::inference}).value();
  const Tensor<double> wide = x.template cast<double>();
  Tensor<double> expected;
  if (mode != Mode::training) {
    expected = naive.inferred(wide);
  } else if (options.adjustment) {
    expected = naive.trained(wide, a.template cast<double>(), b.template cast<double>());
  } else {
    expected = naive.trained(wide);
  }
  check_close("y", y.template cast<double>(), expected, kTolerance<T>);
  BOOST_TEST(layer.statistics().updates().value() == (mode == Mode::training));
  const State state = state_in_double<T>(layer);
  BOOST_TEST(state.size() ==
             (c.center ? 1u : 0u) + (c.scale ? 1u : 0u) + (options.renorm ? 5u : 2u));
  for (const auto& [name, value] : state) {
    if (mode == Mode::training) {
      check_close(name, value, naive.state().at(name), kTolerance<T>);
    } else {
      BOOST_TEST(identical(value, naive.state().at(name)), name);
    }
  }
}

using Types = std::tuple<float, double>;

BOOST_AUTO_TEST_SUITE(batch_normalization_combinations)

BOOST_AUTO_TEST_CASE_TEMPLATE(every_combination_equals_the_naive_form, T, Types) {
  int count = 0;
  for_each_combination([&](const Combination& c) {
    if (c.forbidden()) return;
    for (const Mode mode : kModes) {
      BOOST_TEST_CONTEXT(c.name() << ", mode " << static_cast<int>(mode)) {
        check_combination<T>(c, mode);
      }
      ++count;
    }
  });
  // Per axis three corrections with any adjustment, and three ghosts without; none over axis 0.
  BOOST_TEST(count == (9 * 3 * 3 + 7 * 3) * 3 * 4 * 3);
}

// Every ghost batch has some weight; a mask is the same along kept axes.
BOOST_AUTO_TEST_CASE_TEMPLATE(every_combination_with_a_mask_equals_the_naive_form, T, Types) {
  int count = 0;
  for_each_combination([&](const Combination& c) {
    if (c.forbidden() || c.fused) return;
    const Tensor<T> mask = c.keeps_batch_axis()
                               ? Tensor<T>({1, 3}, {T(0.5), T(0), T(2)})
                               : Tensor<T>({6}, {T(1), T(0), T(2), T(0.5), T(1.5), T(0)});
    Drawn<T> drawn_parts(c);
    auto& [x, a, b, options, layer, naive] = drawn_parts;
    const auto y = layer(x, {.training = true}, {.mask = mask}).value();
    const auto wide = [](const Tensor<T>& values) { return values.template cast<double>(); };
    const Tensor<double> weights =
        wide(mask).reshaped(c.keeps_batch_axis() ? Shape{1, 3, 1, 1} : Shape{6, 1, 1, 1});
    const auto expected = options.adjustment ? naive.trained(wide(x), wide(a), wide(b), weights)
                                             : naive.trained(wide(x), {}, {}, weights);
    BOOST_TEST_CONTEXT(c.name() << ", masked") {
      check_close("y", wide(y), expected, kTolerance<T>);
      for (const auto& [name, value] : state_in_double<T>(layer)) {
        check_close(name, value, naive.state().at(name), kTolerance<T>);
      }
    }
    ++count;
  });
  BOOST_TEST(count == (9 * 3 * 3 + 7 * 3) * 4);
}

// Extents of 1 among them; every single axis and every set of two and of all, from the end in
// descending order.
BOOST_AUTO_TEST_CASE_TEMPLATE(every_rank_equals_the_naive_form, T, Types) {
  const std::int64_t extents[] = {4, 3, 1, 2, 2, 1, 3, 2};
  for (std::int64_t rank = 1; rank <= kMaxRank; ++rank) {
    const Shape input(std::span<const std::int64_t>(extents, static_cast<std::size_t>(rank)));
    std::vector<std::vector<std::int64_t>> lists = {{}};
    for (std::int64_t i = 0; i < rank; ++i) {
      lists.push_back({i});
      lists.front().push_back(-1 - i);
      for (std::int64_t k = 0; k < i; ++k) lists.push_back({-rank + i, k - rank});
    }
    for (const auto& axis : lists) {
      for (const bool ghost : {false, true}) {
        const bool keeps_batch =
            std::any_of(axis.begin(), axis.end(), [&](auto a) { return a == 0 || a == -rank; });
        if (ghost && keeps_batch) continue;
        BatchNormalizationOptions options{.axis = axis, .momentum = 0.5};
        options.renorm = rank % 2 == 0;
        if (ghost) options.virtual_batch_size = 2;
        BatchNormalization<T> layer = drawn_layer<T>(options, input);
        NaiveBatchNormalization naive(options, input, state_in_double<T>(layer), dtype_of<T>());
        const auto x = drawn<T>(input, "x", 0.3, 1.7);
        const auto y = layer(x, {.training = true}).value();
        const std::string what =
            input.to_string() + (ghost ? ", ghost" : "") + ", axis " + std::to_string(axis.front());
        check_close(what, y.template cast<double>(), naive.trained(x.template cast<double>()),
                    kTolerance<T>);
        for (const auto& [name, value] : state_in_double<T>(layer)) {
          check_close(what + ", " + name, value, naive.state().at(name), kTolerance<T>);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_the_seed_forbids_is_refused_when_the_layer_is_made, T, Types) {
  int count = 0;
  for_each_combination([&](const Combination& c) {
    if (!c.forbidden()) return;
    Adjustment adjustment;
    if (c.adjusted != Adjusted::no) {
      adjustment = [](const Shape&) { return ScaleAndBias<T>{}; };
    }
    BOOST_TEST_CONTEXT(c.name()) {
      refuses<ArgumentError>(
          c.keeps_batch_axis() ? "[batch_normalization] virtual_batch_size needs the batch axis "
                                 "reduced; got axis 0 among the kept axes"
                               : "[batch_normalization] virtual_batch_size and adjustment must not "
                                 "be combined; got both",
          [&] { BatchNormalization<T> layer(c.options(adjustment)); });
    }
    ++count;
  });
  BOOST_TEST(count == (7 * 3 * 2 + 2 * 3 * 3) * 3 * 4);
}

// A negative axis says only beside an input that it is the batch's.
BOOST_AUTO_TEST_CASE_TEMPLATE(ghost_batches_over_a_negative_batch_axis_are_refused_by_the_call, T,
                              Types) {
  for (const auto& axis : {std::vector<std::int64_t>{-4}, {-1, -4}}) {
    BatchNormalization<T> layer({.axis = axis, .virtual_batch_size = kVirtualBatchSize});
    Rng rng(1);
    for (const bool training : {true, false}) {
      refuses<ShapeError>(
          "[batch_normalization] virtual_batch_size needs the batch axis reduced; got axis 0 among "
          "the kept axes of input (6, 3, 4, 2)",
          [&] { layer(Tensor<T>(kInput, T{1}), {.training = training, .rng = &rng}); });
      BOOST_TEST(!layer.built());
      BOOST_TEST(layer.statistics().updates().value() == 0);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
