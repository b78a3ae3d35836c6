// What one call may say, the three switches, banks, the exact average, and batches with NaN.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/lamina.hpp>
#include <limits>

#include "support/modules.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Layer = BatchNormalization<double>;

const double kNan = std::numeric_limits<double>::quiet_NaN();
const Tensor<double> kX({4, 2}, {1, 10, 2, -10, 4, 30, 9, 2});

class Heard : public Warnings {
 public:
  void warn(std::string_view path, std::string_view message) override {
    texts.push_back(std::string(path) + ": " + std::string(message));
  }
  std::vector<std::string> texts;
};

Layer built(BatchNormalizationOptions options, const Tensor<double>& x = kX) {
  Layer layer(std::move(options));
  Rng rng(1);
  layer(x, {.updates = StateUpdates::discard, .rng = &rng});
  return layer;
}

// The output, and the gradients of sum(dy y) in x, gamma and beta.
struct Result {
  Tensor<double> y, dx, dgamma, dbeta;
};

Result passed(Layer& layer, const Tensor<double>& x, const Tensor<double>& dy,
              const Layer::Call& call = {.training = true}) {
  Tape<double> tape;
  const Context<double> ctx{.tape = &tape};
  const auto input = tape.watch(x);
  const auto y = layer(input, ctx, call);
  const auto dx = tape.gradients(y, {input}, {.keep = true, .seed = dy})[0].value();
  tape.backward(y, {.seed = dy});
  return {y.value(), dx, layer.gamma().gradient(), layer.beta().gradient()};
}

BOOST_AUTO_TEST_SUITE(batch_normalization_call)

BOOST_AUTO_TEST_CASE(training_of_a_call_overrules_the_context) {
  Layer layer = built({.momentum = 0.5});
  const Context<double> training{.training = true}, inference{};
  const auto inferred = layer(kX, inference).value();
  BOOST_TEST(identical(layer(kX, training, {.training = false}).value(), inferred));
  BOOST_TEST(layer.statistics().updates().value() == 0);
  const auto trained = layer(kX, inference, {.training = true}).value();
  BOOST_TEST(!identical(trained, inferred));
  BOOST_TEST(layer.statistics().updates().value() == 1);
  BOOST_TEST(layer.moving_mean().value().at({0}) == 2);
}

BOOST_AUTO_TEST_CASE(masked_examples_leave_no_trace_in_the_statistics) {
  // Two examples and, under the mask, NaN: as the two alone.
  const Tensor<double> padded({4, 2}, {1, 10, kNan, kNan, 4, 30, kNan, 7});
  const Tensor<double> alone({2, 2}, {1, 10, 4, 30}), dy_alone({2, 2}, {1, -2, 3, 0.5});
  const Tensor<double> dy({4, 2}, {1, -2, 0, 0, 3, 0.5, 0, 0}), mask({4}, {1, 0, 1, 0});
  Layer masked = built({}), plain = masked;
  const Result expected = passed(plain, alone, dy_alone);
  const Result computed = passed(masked, padded, dy, {.training = true, .mask = mask});
  BOOST_TEST(same_values(masked, plain));
  BOOST_TEST(identical(computed.dgamma, expected.dgamma));
  BOOST_TEST(identical(computed.dbeta, expected.dbeta));
  for (const int column : {0, 1}) {
    BOOST_TEST(computed.y.at({0, column}) == expected.y.at({0, column}));
    BOOST_TEST(computed.y.at({2, column}) == expected.y.at({1, column}));
    BOOST_TEST(computed.dx.at({0, column}) == expected.dx.at({0, column}));
    BOOST_TEST(computed.dx.at({1, column}) == 0);
  }
  // A masked output is normalized too, by the others.
  const double mean = 20, deviation = std::sqrt(100 + 1e-3);
  BOOST_TEST(std::abs(computed.y.at({3, 1}) - (7 - mean) / deviation) < 1e-14);
}

BOOST_AUTO_TEST_CASE(a_whole_weight_is_a_repeated_example) {
  const Tensor<double> x({3, 2}, {1, 5, 2, 3, 7, 4}), repeated({4, 2}, {1, 5, 2, 3, 2, 3, 7, 4});
  Layer weighted = built({.variance_estimator = VarianceEstimator::unbiased}, x);
  Layer plain = weighted;
  const Context<double> ctx{.training = true};
  weighted(x, ctx, {.mask = Tensor<double>({3}, {1, 2, 1})});
  plain(repeated, ctx);
  for (const auto& [path, value] : values_of(weighted)) {
    const auto other = values_of(plain).at(path);
    for (std::int64_t i = 0; i < value.size(); ++i) {
      BOOST_TEST(std::abs(value.data()[i] - other.data()[i]) < 1e-14, path);
    }
  }
}

BOOST_AUTO_TEST_CASE(masks_lie_over_the_leading_axes_of_any_layout) {
  Tensor<double> x = Tensor<double>::uninitialized({2, 3, 4, 5});
  Rng(3).stream("x", 0).fill_normal(x.mutable_values(), 0.5, 2.0);
  // The same mask as (N), as full rank, and per position.
  const Tensor<double> examples({2}, {1, 0}), full({2, 1, 1, 1}, {1, 0});
  for (const std::vector<std::int64_t>& axis :
       std::vector<std::vector<std::int64_t>>{{1}, {-1}, {1, 2}, {1, 3}}) {
    Layer a = built({.axis = axis}, x), b = a, c = a;
    const Context<double> ctx{.training = true};
    const auto y = a(x, ctx, {.mask = examples}).value();
    BOOST_TEST(identical(y, b(x, ctx, {.mask = full}).value()));
    BOOST_TEST(same_values(a, b));
    const Tensor<double> first({1, 3, 4, 5}, std::vector<double>(x.data(), x.data() + 60));
    const auto alone = c(first, ctx).value();
    BOOST_TEST(same_values(a, c));
    BOOST_TEST(std::equal(alone.data(), alone.data() + 60, y.data()));
  }
  Layer channels_last = built({}, x);
  const Context<double> ctx{.training = true};
  Tensor<double> positions({2, 3, 4}, 1.0);
  positions.mutable_data()[5] = 0;
  Tensor<double> spoilt = x;
  for (int c = 0; c < 5; ++c) spoilt.mutable_data()[5 * 5 + c] = kNan;
  channels_last(spoilt, ctx, {.mask = positions});
  for (const double mean : channels_last.moving_mean().value().values()) {
    BOOST_TEST(std::isfinite(mean));
  }
}

BOOST_AUTO_TEST_CASE(masks_that_do_not_fit_are_refused_and_change_nothing) {
  const Tensor<double> x({2, 3, 4}, 1.0);
  Layer layer = built({.name = "bn"}, x);
  const auto before = values_of(layer);
  const auto refused = [&](const Tensor<double>& mask, const std::string& text) {
    refuses<ShapeError>("[batch_normalization] a mask must " + text + " for input (2, 3, 4)",
                        [&] { layer(x, {.training = true}, {.mask = mask}); });
  };
  refused(Tensor<double>::ones({2, 3, 4, 1}),
          "have no more axes than the input; got mask (2, 3, 4, 1)");
  refused(Tensor<double>::ones({3}), "fit the input's leading axes; got mask (3)");
  refused(Tensor<double>::ones({2, 3, 4}), "be the same for all channels; got mask (2, 3, 4)");
  BOOST_CHECK_THROW(layer(x, {.training = true}, {.mask = Tensor<double>({2}, {1, -1})}),
                    ArgumentError);
  BOOST_CHECK_THROW(layer(x, {.training = true}, {.mask = Tensor<double>({2}, {1, kNan})}),
                    ArgumentError);
  for (const auto& [path, value] : values_of(layer)) {
    BOOST_TEST(identical(value, before.at(path)), path);
  }
  BOOST_TEST(layer.statistics().updates().value() == 0);
}

BOOST_AUTO_TEST_CASE(a_batch_without_weight_is_an_empty_batch) {
  for (const bool renorm : {false, true}) {
    Layer layer = built({.momentum = 0.5, .renorm = renorm});
    layer(kX, {.training = true});
    Layer before = layer;
    const Tensor<double> dy({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
    const Result r = passed(layer, kX, dy, {.training = true, .mask = Tensor<double>({4}, 0.0)});
    BOOST_TEST(same_values(layer, before));
    BOOST_TEST(layer.statistics().updates().value() == 1);
    // Normalized by the moving statistics, which are constants.
    const Result inferred = passed(before, kX, dy, {.training = false});
    BOOST_TEST(identical(r.y, inferred.y));
    BOOST_TEST(identical(r.dx, inferred.dx));
  }
  // A ghost batch without weight leaves the others alone.
  Layer ghost = built({.momentum = 0, .virtual_batch_size = 2});
  ghost(kX, {.training = true}, {.mask = Tensor<double>({4}, {1, 0, 1, 0})});
  BOOST_TEST(ghost.moving_mean().value().at({0}) == 2.5);
  BOOST_TEST(ghost.moving_variance().value().at({0}) == 2.25);
}

// Whatever renorm makes of the others.
BOOST_AUTO_TEST_CASE(a_ghost_batch_without_weight_is_normalized_by_the_moving_statistics) {
  for (const bool renorm : {false, true}) {
    Layer layer = built({.renorm = renorm, .virtual_batch_size = 2});
    layer(kX, {.training = true});
    // Examples 1 and 3 are one of the two ghost batches.
    const Result inferred = passed(layer, kX, Tensor<double>({4, 2}, 1.0), {.training = false});
    const Result r = passed(layer, kX, Tensor<double>({4, 2}, 1.0),
                            {.training = true, .mask = Tensor<double>({4}, {1, 0, 1, 0})});
    for (const std::int64_t example : {1, 3}) {
      for (const std::int64_t c : {0, 1}) {
        const auto close = boost::test_tools::tolerance(1e-12);
        BOOST_TEST(r.y.at({example, c}) == inferred.y.at({example, c}), close);
        BOOST_TEST(r.dx.at({example, c}) == inferred.dx.at({example, c}), close);
      }
    }
  }
}

// Means that are large beside the deviation leave their digits to the difference.
BOOST_AUTO_TEST_CASE(renorm_keeps_every_digit_that_the_input_had) {
  constexpr double kMean = 1e5;
  Tensor<double> x = random_tensor<double>({64, 3}, 1);
  for (double& value : x.mutable_values()) value = static_cast<float>(value + kMean);
  const auto y = [&]<class T>(T) {
    BatchNormalization<T> layer({.moving_mean_initializer = constant(kMean), .renorm = true});
    Rng rng(1);
    return layer(x.cast<T>(), {.training = true, .rng = &rng}).value();
  };
  check_close("y", y(0.0F), y(0.0).template cast<float>(), 1e-6);
}

BOOST_AUTO_TEST_CASE(the_exact_average_of_all_batches) {
  Layer layer = built({.momentum = cumulative});
  layer(kX, {.training = true});
  BOOST_TEST(layer.moving_mean().value().at({0}) == 4);
  layer(Tensor<double>({1, 2}, {1, 1}), {.training = true});
  layer(Tensor<double>({1, 2}, {1, 1}), {.training = true});
  BOOST_TEST(layer.moving_mean().value().at({0}) == 2);
  BOOST_TEST(std::abs(layer.moving_variance().value().at({0}) - 9.5 / 3) < 1e-15);
  BOOST_TEST(layer.statistics().updates().value() == 3);
}

BOOST_AUTO_TEST_CASE(each_switch_does_its_one_thing) {
  const Tensor<double> dy({4, 2}, {1, 0, 0, 1, -1, 2, .5, -1});
  const Result trained = [&] {
    Layer layer = built({});
    return passed(layer, kX, dy);
  }();
  {  // As in TensorFlow: gamma and beta stay, statistics too, the batch normalizes.
    Layer layer = built({.trainable = false});
    Layer before = layer;
    const Result r = passed(layer, kX, dy);
    BOOST_TEST(identical(r.y, trained.y));
    BOOST_TEST(identical(r.dx, trained.dx));
    BOOST_TEST(!r.dgamma.defined());
    BOOST_TEST(layer.statistics().updates().value() == 0);
    BOOST_TEST(same_values(layer, before));
  }
  {  // Only the statistics stay.
    Layer layer = built({.update_statistics = false});
    Layer before = layer;
    const Result r = passed(layer, kX, dy);
    BOOST_TEST(identical(r.dgamma, trained.dgamma));
    BOOST_TEST(same_values(layer, before));
  }
  {  // They follow although gamma and beta do not learn.
    Layer layer = built({.trainable = false, .update_statistics = true});
    BOOST_TEST(!passed(layer, kX, dy).dgamma.defined());
    BOOST_TEST(layer.statistics().updates().value() == 1);
  }
  {  // Normalized by the moving statistics, which follow the batch all the same.
    Layer layer = built({.momentum = 0, .use_batch_statistics = false});
    Layer before = layer;
    const Result inferred = passed(before, kX, dy, {.training = false});
    BOOST_TEST(identical(passed(layer, kX, dy).y, inferred.y));
    BOOST_TEST(layer.moving_mean().value().at({0}) == 4);
  }
  {  // The batch normalizes in inference, and changes nothing.
    Layer layer = built({.use_batch_statistics = true});
    Layer before = layer;
    BOOST_TEST(identical(passed(layer, kX, dy, {.training = false}).y, trained.y));
    BOOST_TEST(same_values(layer, before));
  }
}

BOOST_AUTO_TEST_CASE(a_frozen_layer_does_in_training_what_it_does_in_inference) {
  const Tensor<double> dy({4, 2}, {1, 0, 0, 1, -1, 2, .5, -1});
  const Adjustment doubling = [](const Shape&) {
    return ScaleAndBias<double>{.scale = Tensor<double>({1, 2}, 2.0),
                                .bias = Tensor<double>({1, 2}, 1.0)};
  };
  for (const BatchNormalizationOptions& options : std::vector<BatchNormalizationOptions>{
           {}, {.renorm = true}, {.virtual_batch_size = 3}, {.adjustment = doubling}}) {
    Layer layer(options);
    Rng rng(1);
    layer(kX, {.updates = StateUpdates::discard, .rng = &rng});
    layer.moving_mean().assign(Tensor<double>({2}, {3, 4}));
    Layer inferring = layer;
    const Result expected = passed(inferring, kX, dy, {.training = false});
    layer.freeze();
    Layer before = layer;
    const Result frozen = passed(layer, kX, dy);
    BOOST_TEST(identical(frozen.y, expected.y));
    BOOST_TEST(identical(frozen.dx, expected.dx));
    BOOST_TEST(!frozen.dgamma.defined());
    BOOST_TEST(same_values(layer, before));
    BOOST_TEST(!layer.options().trainable);
  }
}

BOOST_AUTO_TEST_CASE(banks_share_gamma_and_beta_and_nothing_else) {
  Layer layer = built({.momentum = 0, .banks = {"real", "generated"}});
  const Context<double> training{.training = true}, inference{};
  const Tensor<double> other({2, 2}, {0, 0, 2, 4});
  layer(kX, training, {.bank = "real"});
  layer(other, training, {.bank = "generated"});
  BOOST_TEST(layer.moving_mean().value().at({0}) == 0);
  BOOST_TEST(layer.statistics("real").mean().value().at({0}) == 4);
  BOOST_TEST(layer.statistics("generated").mean().value().at({1}) == 2);
  BOOST_TEST(layer.statistics("generated").updates().value() == 1);
  const auto y = layer(other, inference, {.bank = "generated"}).value();
  BOOST_TEST(std::abs(y.at({1, 0}) - 1 / std::sqrt(1 + 1e-3)) < 1e-15);
  BOOST_TEST(layer.parameters().size() == 2u);
  BOOST_TEST(values_of(layer).contains("real.moving_variance"));
  refuses<ArgumentError>(
      "[batch_normalization] a bank must be one of the option banks; got 'fake', expected one of "
      "'real', 'generated'",
      [&] { layer(kX, training, {.bank = "fake"}); });
}

// The other share holds the same examples: every sum is twice this share's.
class Twin : public StatisticsReduction {
 public:
  void sum(std::span<double> values) override {
    for (double& value : values) value *= 2;
  }
};

BOOST_AUTO_TEST_CASE(a_share_of_a_batch_is_normalized_as_the_whole) {
  const Tensor<double> both({8, 2}, {1, 10, 2, -10, 4, 30, 9, 2, 1, 10, 2, -10, 4, 30, 9, 2});
  const Tensor<double> dy({4, 2}, {1, 0, 0, 1, -1, 2, .5, -1});
  const Tensor<double> dy_both({8, 2}, {1, 0, 0, 1, -1, 2, .5, -1, 1, 0, 0, 1, -1, 2, .5, -1});
  Layer share = built({.renorm = true, .variance_estimator = VarianceEstimator::unbiased});
  Layer whole = share;
  const auto trained = [&](Layer& layer, const Tensor<double>& x, const Tensor<double>& seed,
                           StatisticsReduction* reduction) {
    Tape<double> tape;
    const auto input = tape.watch(x);
    const auto y = layer(input, {.tape = &tape, .training = true, .reduction = reduction});
    return std::pair(y.value(), tape.gradients(y, {input}, {.seed = seed})[0].value());
  };
  Twin twin;
  const auto [y, dx] = trained(share, kX, dy, &twin);
  const auto [y_whole, dx_whole] = trained(whole, both, dy_both, nullptr);
  for (std::int64_t i = 0; i < 8; ++i) {
    BOOST_TEST(std::abs(y.data()[i] - y_whole.data()[i]) < 1e-13);
    BOOST_TEST(std::abs(dx.data()[i] - dx_whole.data()[i]) < 1e-13);
  }
  for (const auto& [path, value] : values_of(share)) {
    const Tensor<double> other = values_of(whole).at(path);
    for (std::int64_t i = 0; i < value.size(); ++i) {
      BOOST_TEST(std::abs(value.data()[i] - other.data()[i]) < 1e-13, path);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_batch_with_nan_follows_the_policy) {
  const Tensor<double> spoilt({2, 2}, {1, kNan, 2, 3});
  for (const bool renorm : {false, true}) {
    Layer taking = built({.renorm = renorm});
    taking(spoilt, {.training = true});
    BOOST_TEST(std::isfinite(taking.moving_mean().value().at({0})));
    BOOST_TEST(std::isnan(taking.moving_mean().value().at({1})));

    Layer skipping = built({.renorm = renorm, .non_finite = NonFinite::skip});
    Layer before = skipping;
    Heard heard;
    const auto y = skipping(spoilt, {.training = true, .warn = &heard}).value();
    BOOST_TEST(std::isnan(y.at({0, 1})));
    BOOST_TEST(same_values(skipping, before));
    BOOST_TEST(skipping.statistics().updates().value() == 0);
    BOOST_TEST_REQUIRE(heard.texts.size() == 1u);
    BOOST_TEST(heard.texts[0] ==
               ": a batch with NaN or infinity left the moving statistics as they were");

    Layer raising = built({.renorm = renorm, .non_finite = NonFinite::raise});
    refuses<NumericError>(
        "[batch_normalization] non_finite = raise needs finite statistics; got a batch whose mean "
        "or variance is not",
        [&] { raising(spoilt, {.training = true}); });
    BOOST_TEST(same_values(raising, before));
    raising(kX, {.training = true});
    BOOST_TEST(raising.statistics().updates().value() == 1);
  }
}

BOOST_AUTO_TEST_CASE(inference_by_statistics_never_updated_is_told) {
  Sequential<double> net;
  net.add<BatchNormalization>({.name = "bn"});
  Rng rng(1);
  net(kX, {.updates = StateUpdates::discard, .rng = &rng});
  Heard heard;
  const Context<double> inference{.updates = StateUpdates::discard, .warn = &heard};
  net(kX, inference);
  BOOST_TEST_REQUIRE(heard.texts.size() == 1u);
  BOOST_TEST(heard.texts[0] == "bn: normalizing by moving statistics that no training has updated");
  net(kX, {.training = true, .warn = &heard});
  net(kX, inference);
  BOOST_TEST(heard.texts.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
