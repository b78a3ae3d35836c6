#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/lamina.hpp>
#include <limits>

#include "support/modules.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Batches = std::vector<Tensor<double>>;

template <Scalar T>
Tensor<T> rows(const Tensor<T>& x, std::int64_t first, std::int64_t last) {
  const std::int64_t row = x.size() / x.shape()[0];
  return Tensor<T>(x.shape().with(0, last - first),
                   x.values().subspan(static_cast<std::size_t>(first * row),
                                      static_cast<std::size_t>((last - first) * row)));
}

// Uneven ones.
template <Scalar T>
std::vector<Tensor<T>> cut(const Tensor<T>& x) {
  return {rows(x, 0, 3), rows(x, 3, 10), rows(x, 10, 11), rows(x, 11, x.shape()[0])};
}

// (x - mean) / sqrt(variance + epsilon) by the last axis.
Tensor<double> normalized(const Tensor<double>& x, double epsilon) {
  const std::int64_t channels = x.shape()[-1], n = x.size() / channels;
  const Moments m = moments(x, {.outer = n, .channels = channels});
  Tensor<double> y = x;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t c = i % channels;
    y.mutable_data()[i] =
        (x.data()[i] - m.mean.data()[c]) / std::sqrt(m.variance.data()[c] + epsilon);
  }
  return y;
}

template <class Net, Scalar T>
Net built(Net net, const Tensor<T>& x) {
  Rng rng(1);
  net(x, {.updates = StateUpdates::discard, .rng = &rng});
  return net;
}

template <Scalar T>
BatchNormalization<T>& normalization(Sequential<T>& net, std::int64_t index) {
  return dynamic_cast<BatchNormalization<T>&>(net.at(index));
}

template <Scalar T>
void check_statistics(const MovingStatistics<T>& moving, const Tensor<double>& x, double tolerance,
                      double factor = 1) {
  const std::int64_t channels = x.shape()[-1];
  Moments m = moments(x, {.outer = x.size() / channels, .channels = channels});
  for (double& value : m.variance.mutable_values()) value *= factor;
  const Shape shape{channels};
  check_close("mean", moving.mean().value().template cast<double>(), m.mean.reshaped(shape),
              tolerance);
  check_close("variance", moving.variance().value().template cast<double>(),
              m.variance.reshaped(shape), tolerance);
}

std::map<std::string, std::int64_t> counters_of(const Module<double>& net) {
  struct Collector : Visitor<double> {
    std::map<std::string, std::int64_t> found;
    void counter(const std::string& path, Counter& c) override { found[path] = c.value(); }
  } collector;
  collector.walk(net);
  return collector.found;
}

BOOST_AUTO_TEST_SUITE(recalibrate_statistics_suite)

BOOST_AUTO_TEST_CASE(the_first_layer_gets_the_moments_of_all_data) {
  auto x = random_tensor<double>({17, 2, 3}, 3, -1, 5);
  for (const auto estimator : {VarianceEstimator::biased, VarianceEstimator::unbiased}) {
    Sequential<double> net;
    net.add<BatchNormalization>({.variance_estimator = estimator}).add<Dense>({.units = 2});
    net = built(net, x);
    const auto done = recalibrate_statistics(net, cut(x));
    const double n = 34;
    const double factor = estimator == VarianceEstimator::unbiased ? n / (n - 1) : 1;
    check_statistics(normalization(net, 0).statistics(), x, 1e-14, factor);
    BOOST_TEST(normalization(net, 0).statistics().updates().value() == 4);

    BOOST_TEST(done.batches == 4);
    BOOST_TEST_REQUIRE(done.layers.size() == 1u);
    BOOST_TEST(done.layers[0].path == "batch_normalization");
    BOOST_TEST(done.layers[0].bank == "");
    BOOST_TEST(done.layers[0].batches == 4);
    BOOST_TEST(done.layers[0].count == n);
    // From mean 0 and variance 1.
    double largest = 0, ratio = 1;
    for (int c = 0; c < 3; ++c) {
      const double mean = normalization(net, 0).moving_mean().value().at({c});
      const double variance = normalization(net, 0).moving_variance().value().at({c});
      largest = std::max(largest, std::abs(mean) / std::sqrt(1.001));
      ratio = std::max(ratio, std::sqrt((variance + 0.001) / 1.001));
    }
    BOOST_TEST(std::abs(done.layers[0].distance.largest_mean - largest) < 1e-14);
    BOOST_TEST(std::abs(done.layers[0].distance.largest_deviation - ratio) < 1e-14);
  }
}

BOOST_AUTO_TEST_CASE(float_statistics_are_exact_too) {
  const auto x = random_tensor<float>({17, 5}, 3, 99, 101);
  Sequential<float> net;
  net.add<BatchNormalization>();
  net = built(net, x);
  recalibrate_statistics(net, cut(x));
  check_statistics(normalization(net, 0).statistics(), x.cast<double>(), 6e-8);
}

BOOST_AUTO_TEST_CASE(later_layers_see_inputs_normalized_by_the_batch) {
  // Whatever statistics, renorm or ghost batches the first layer has.
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  for (const BatchNormalizationOptions& options : std::vector<BatchNormalizationOptions>{
           {},
           {.renorm = true},
           {.virtual_batch_size = 3},
           {.update_statistics = true, .use_batch_statistics = false}}) {
    Sequential<double> net;
    net.add<BatchNormalization>(options).add<Dense>({.units = 5}).add<BatchNormalization>();
    net = built(net, x);
    normalization(net, 0).moving_mean().assign(Tensor<double>({3}, 70.0));
    recalibrate_statistics(net, cut(x));
    const Tensor<double> kernel = values_of(net).at("dense.kernel");
    Tensor<double> second = Tensor<double>::uninitialized({17, 5});
    std::int64_t done = 0;
    for (const auto& batch : cut(x)) {
      const auto y = matmul(Variable<double>(normalized(batch, 1e-3)), Variable<double>(kernel));
      std::copy_n(y.value().data(), y.size(), second.mutable_data() + done);
      done += y.size();
    }
    check_statistics(normalization(net, 0).statistics(), x, 1e-14);
    check_statistics(normalization(net, 2).statistics(), second, 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(the_state_of_renorm_follows) {
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  Sequential<double> net;
  net.add<BatchNormalization>({.renorm = true});
  net = built(net, x);
  recalibrate_statistics(net, cut(x));
  auto& bn = normalization(net, 0);
  check_statistics(bn.statistics(), x, 1e-12);
  const auto values = values_of(net);
  const std::string prefix = "batch_normalization.";
  BOOST_TEST(identical(values.at(prefix + "renorm_mean"), bn.moving_mean().value()));
  BOOST_TEST(identical(values.at(prefix + "renorm_stddev"), values.at(prefix + "moving_stddev")));
  for (int c = 0; c < 3; ++c) {
    const double variance = bn.moving_variance().value().at({c});
    BOOST_TEST(std::abs(values.at(prefix + "moving_stddev").at({c}) - std::sqrt(variance + 1e-3)) <
               1e-15);
  }
  // In the next step of training the batch's statistics are hardly corrected.
  Sequential<double> plain;
  plain.add<BatchNormalization>();
  plain = built(plain, x);
  const Context<double> training{.training = true, .updates = StateUpdates::discard};
  check_close("next step", net(x, training).value(), plain(x, training).value(), 1e-12);
}

// The same layer on x and on 2x + 1, a tied one on x, and a bank on x with a mask.
struct Shared : Module<double> {
  BatchNormalization<double> bn{{.banks = {"valid"}}};
  BatchNormalization<double> tied = share(bn);
  void visit(Visitor<double>& v) override { v("bn", bn), v("tied", tied); }
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    const auto once = bn(x, ctx);
    const auto two = once + bn(x * 2.0 + 1.0, ctx) + tied(x * 3.0, ctx);
    Tensor<double> mask = Tensor<double>::ones({x.shape()[0]});
    mask.mutable_data()[0] = 0;
    return two + bn(x, ctx, {.mask = mask, .bank = "valid"});
  }
};

BOOST_AUTO_TEST_CASE(calls_that_share_statistics_are_one) {
  Tensor<double> x = random_tensor<double>({17, 3}, 3, -1, 5);
  Shared net = built(Shared(), x);
  const auto done = recalibrate_statistics(net, cut(x));
  Tensor<double> all = Tensor<double>::uninitialized({51, 3}), valid({13, 3}, 0.0);
  std::int64_t v = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double value = x.data()[i];
    all.mutable_data()[i] = value;
    all.mutable_data()[i + 51] = 2 * value + 1;
    all.mutable_data()[i + 102] = 3 * value;
    const std::int64_t row = i / 3;
    if (row != 0 && row != 3 && row != 10 && row != 11) valid.mutable_data()[v++] = value;
  }
  BOOST_TEST(v == 39);
  check_statistics(net.bn.statistics(), all, 1e-14);
  check_statistics(net.bn.statistics("valid"), valid, 1e-14);
  BOOST_TEST_REQUIRE(done.layers.size() == 2u);
  BOOST_TEST(done.layers[0].path == "bn");
  BOOST_TEST(done.layers[0].count == 51);
  BOOST_TEST(done.layers[0].batches == 4);
  BOOST_TEST(done.layers[1].bank == "valid");
  BOOST_TEST(done.layers[1].count == 13);
  // The batch of one has no valid example.
  BOOST_TEST(done.layers[1].batches == 3);
  BOOST_TEST(net.bn.statistics().updates().value() == 4);
  BOOST_TEST(net.bn.statistics("valid").updates().value() == 3);
}

BOOST_AUTO_TEST_CASE(dropout_is_off) {
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  Sequential<double> net;
  net.add<Dropout>({.rate = 0.5}).add<BatchNormalization>();
  net = built(net, x);
  recalibrate_statistics(net, cut(x));
  check_statistics(normalization(net, 1).statistics(), x, 1e-14);
}

BOOST_AUTO_TEST_CASE(only_statistics_that_follow_training_are_replaced) {
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  Sequential<double> net;
  net.add<BatchNormalization>({.trainable = false, .name = "not_trained"})
      .add<BatchNormalization>({.name = "fixed", .update_statistics = false})
      .add<Dense>({.units = 5})
      .add<BatchNormalization>({.name = "frozen"})
      .add<BatchNormalization>({.name = "follows", .use_batch_statistics = false});
  net = built(net, x);
  normalization(net, 3).freeze();
  const auto before = values_of(net);
  const auto done = recalibrate_statistics(net, cut(x));
  BOOST_TEST_REQUIRE(done.layers.size() == 1u);
  BOOST_TEST(done.layers[0].path == "follows");
  for (const auto& [path, value] : values_of(net)) {
    BOOST_TEST(identical(value, before.at(path)) != path.starts_with("follows.moving"), path);
  }
  const std::map<std::string, std::int64_t> counters{{"not_trained.updates", 0},
                                                     {"fixed.updates", 0},
                                                     {"frozen.updates", 0},
                                                     {"follows.updates", 4}};
  BOOST_TEST((counters_of(net) == counters));
  // The switches are as before.
  BOOST_TEST(!normalization(net, 0).options().use_batch_statistics.has_value());
  BOOST_TEST(!normalization(net, 3).options().use_batch_statistics.value());
  BOOST_TEST(!normalization(net, 4).options().use_batch_statistics.value());
}

BOOST_AUTO_TEST_CASE(no_more_batches_are_taken_than_asked_for) {
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  Sequential<double> net;
  net.add<BatchNormalization>();
  net = built(net, x);
  std::int64_t given = 0;
  const auto next = [&]() -> Tensor<double> { return rows(x, 0, 1 + ++given); };
  BOOST_TEST(recalibrate_statistics(net, next, {.max_batches = 3}).batches == 3);
  BOOST_TEST(given == 3);
  BOOST_TEST(normalization(net, 0).statistics().updates().value() == 3);

  // A loader's pass is left early, or runs to its end.
  const Dataset data(x, Tensor<std::int64_t>({17}, 0));
  DataLoader<double> loader(data, {.batch_size = 5});
  BOOST_TEST(recalibrate_statistics(net, loader, {.max_batches = 2}).layers[0].count == 10);
  BOOST_TEST(loader.position() == 2);
  BOOST_TEST(loader.epoch() == 0);
  BOOST_TEST(recalibrate_statistics(net, loader).layers[0].count == 17);
  BOOST_TEST(loader.epoch() == 1);
  check_statistics(normalization(net, 0).statistics(), x, 1e-14);
}

BOOST_AUTO_TEST_CASE(when_a_batch_fails_nothing_has_changed) {
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  Sequential<double> net;
  net.add<BatchNormalization>({.renorm = true})
      .add<Dense>({.units = 5})
      .add<BatchNormalization>({.name = "last"});
  net = built(net, x);
  net(x, {.training = true});
  const auto before = values_of(net);
  const auto counters = counters_of(net);
  const auto unchanged = [&] {
    for (const auto& [path, value] : values_of(net)) {
      BOOST_TEST(identical(value, before.at(path)), path);
    }
    BOOST_TEST((counters_of(net) == counters));
    BOOST_TEST(!normalization(net, 2).options().use_batch_statistics.has_value());
  };
  Batches batches = cut(x);
  batches[2] = Tensor<double>::ones({4, 2});
  refuses<ShapeError>("[batch_normalization] axis -1 must have 3 channels; got input (4, 2)",
                      [&] { recalibrate_statistics(net, batches); });
  unchanged();
  batches = cut(x);
  batches[1].mutable_data()[4] = std::numeric_limits<double>::infinity();
  refuses<NumericError>(
      "[recalibrate_statistics] the statistics of 'batch_normalization' must be finite; got a mean "
      "or variance over 4 batches that is not",
      [&] { recalibrate_statistics(net, batches); });
  unchanged();
  std::int64_t given = 0;
  BOOST_CHECK_THROW(recalibrate_statistics(net,
                                           [&]() -> Tensor<double> {
                                             if (++given == 3) throw DataError("source", "gone");
                                             return x;
                                           }),
                    DataError);
  unchanged();
}

BOOST_AUTO_TEST_CASE(skipped_batches_are_left_out) {
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  Sequential<double> net;
  net.add<BatchNormalization>({.non_finite = NonFinite::skip});
  net = built(net, x);
  Batches batches = cut(x);
  batches.insert(batches.begin() + 1, Tensor<double>({2, 3}, std::nan("")));
  const auto done = recalibrate_statistics(net, batches);
  BOOST_TEST(done.batches == 5);
  BOOST_TEST(done.layers[0].batches == 4);
  check_statistics(normalization(net, 0).statistics(), x, 1e-14);
}

BOOST_AUTO_TEST_CASE(bad_arguments_are_refused) {
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  Sequential<double> net;
  net.add<BatchNormalization>();
  refuses<StateError>(
      "[recalibrate_statistics] the network must be built; got one that was never called or loaded",
      [&] { recalibrate_statistics(net, cut(x)); });
  net = built(net, x);
  refuses<ArgumentError>("[recalibrate_statistics] there must be at least one batch; got none",
                         [&] { recalibrate_statistics(net, Batches()); });
  refuses<ArgumentError>("[recalibrate_statistics] max_batches must be at least 1; got 0",
                         [&] { recalibrate_statistics(net, cut(x), {.max_batches = 0}); });
  BOOST_TEST(normalization(net, 0).statistics().updates().value() == 0);
}

BOOST_AUTO_TEST_CASE(inference_improves_after_training_with_too_fast_a_momentum) {
  // momentum 0: the statistics are those of the last batch of 8.
  Sequential<float> net;
  net.add<Flatten>()
      .add<Dense>({.units = 32, .use_bias = false})
      .add<BatchNormalization>({.momentum = 0})
      .add<ReLU>()
      .add<Dense>({.units = 32, .use_bias = false})
      .add<BatchNormalization>({.momentum = 0})
      .add<ReLU>()
      .add<Dense>({.units = 10});
  Trainer<float> trainer(net, {.loss = SoftmaxCrossEntropy(),
                               .optimizer = adam({.learning_rate = 3e-3}),
                               .metrics = {accuracy()}});
  const Dataset train = data::synthetic_digits({.examples = 1000, .seed = 1});
  const Dataset test = data::synthetic_digits({.examples = 500, .seed = 2});
  trainer.fit(train, {.epochs = 1, .batch_size = 8});
  const Scores before = trainer.evaluate(test);
  DataLoader<float> loader(train, {.batch_size = 100});
  const Recalibration done = recalibrate_statistics(net, loader, {.max_batches = 50});
  const Scores after = trainer.evaluate(test);
  BOOST_TEST_MESSAGE("accuracy " << before.at("accuracy") << " to " << after.at("accuracy")
                                 << ", loss " << before.at("loss") << " to " << after.at("loss"));
  BOOST_TEST(done.layers.size() == 2u);
  BOOST_TEST(done.layers.front().distance.largest_mean > 0.3);
  BOOST_TEST(after.at("loss") < before.at("loss"));
  BOOST_TEST(after.at("accuracy") > before.at("accuracy") + 0.05);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
