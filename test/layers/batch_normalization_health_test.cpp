#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/lamina.hpp>
#include <limits>
#include <tuple>

#include "support/modules.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Scalars = std::tuple<float, double>;

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

void same(const std::vector<std::int64_t>& found, const std::vector<std::int64_t>& expected) {
  BOOST_TEST(found == expected, boost::test_tools::per_element());
}

// Channels: alive; constant; of variance 9 epsilon; of 11 epsilon; with gamma 0.
const Tensor<double> kX({2, 5}, {1, 7, 0.15, 0.2, -1, 3, 7, -0.15, -0.2, 1});

Sequential<double> five_channels() {
  Sequential<double> net;
  net.add<BatchNormalization>({.epsilon = 0.0025, .name = "bn"});
  net = built(net, kX);
  normalization(net, 0).gamma().assign(Tensor<double>({5}, {1, 1, 1, 1, 0}));
  return net;
}

BOOST_AUTO_TEST_SUITE(batch_normalization_health_suite)

BOOST_AUTO_TEST_CASE(numbers_and_lists_by_hand) {
  Sequential<double> net = five_channels();
  auto& bn = normalization(net, 0);
  bn.moving_mean().assign(Tensor<double>({5}, {0, 7, 0, 0.1, 0}));
  bn.moving_variance().assign(Tensor<double>({5}, {3.9975, 1, 0.0225, 0.04, 1}));
  bn.statistics().updates().set(120);
  const auto health = batch_normalization_health(net, kX);
  BOOST_TEST_REQUIRE(health.layers.size() == 1u);
  const NormalizationHealth& layer = health.layers[0];
  BOOST_TEST(layer.path == "bn");
  BOOST_TEST(layer.bank == "");
  BOOST_TEST(layer.updates == 120);
  BOOST_TEST(layer.channels == 5);
  // Means are off by 2 / 2, 0, 0, 0.1 / sqrt(0.0425), 0; the constant channel's deviation most.
  BOOST_TEST(std::abs(layer.distance.largest_mean - 1) < 1e-15);
  BOOST_TEST(layer.distance.median_mean == 0);
  BOOST_TEST(std::abs(layer.distance.largest_deviation - std::sqrt(1.0025 / 0.0025)) < 1e-12);
  BOOST_TEST(std::abs(layer.distance.median_deviation - 1) < 1e-15);
  same(layer.dead, {1, 4});
  same(layer.near_epsilon, {2});
  BOOST_TEST(health.to_string() ==
             "path  updates  mean off  median  deviation off  median  dead  near epsilon\n"
             "bn        120      1.00    0.00          20.02    1.00   2/5           1/5\n");
}

BOOST_AUTO_TEST_CASE(statistics_never_updated_are_told) {
  Sequential<double> net = five_channels();
  const auto health = batch_normalization_health(net, kX);
  BOOST_TEST(health.layers[0].updates == 0);
  BOOST_TEST(health.to_string() ==
             "path  updates  mean off  median  deviation off  median  dead  near epsilon\n"
             "bn      never      6.99    0.00          20.02    4.86   2/5           1/5\n");
  BOOST_TEST(BatchNormalizationHealth().to_string() ==
             "path  updates  mean off  median  deviation off  median  dead  near epsilon\n");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(constant_means_constant_but_for_rounding, T, Scalars) {
  // A deviation of one millionth of the mean is a signal, one of the last bits is not.
  const T ulp = std::numeric_limits<T>::epsilon();
  const Tensor<T> x({2, 3},
                    {T{1000}, T{1000}, T{0}, T{1000} * (1 + T{2e-6}), T{1000} * (1 + ulp), T{0}});
  Sequential<T> net;
  net.template add<BatchNormalization>({.epsilon = 0});
  net = built(net, x);
  const auto health = batch_normalization_health(net, x);
  same(health.layers[0].dead, {1, 2});
  same(health.layers[0].near_epsilon, {});
}

BOOST_AUTO_TEST_CASE(bad_statistics_spoil_no_other_row) {
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  Sequential<double> net;
  net.add<BatchNormalization>({.renorm = true})
      .add<Dense>({.units = 5})
      .add<Dropout>({.rate = 0.5})
      .add<BatchNormalization>();
  net = built(net, x);
  recalibrate_statistics(net, std::vector{x});
  const auto good = batch_normalization_health(net, x);
  for (const auto& layer : good.layers) {
    BOOST_TEST(layer.updates == 1);
    BOOST_TEST(layer.distance.largest_mean < 1e-12);
    BOOST_TEST(layer.distance.largest_deviation < 1 + 1e-12);
  }
  normalization(net, 0).moving_mean().assign(Tensor<double>({3}, 70.0));
  normalization(net, 0).moving_variance().assign(Tensor<double>({3}, 1e4));
  const auto bad = batch_normalization_health(net, x);
  BOOST_TEST(bad.layers[0].distance.largest_mean > 0.6);
  BOOST_TEST(bad.layers[0].distance.largest_deviation > 30);
  BOOST_TEST(bad.layers[1].distance.largest_mean == good.layers[1].distance.largest_mean);
}

BOOST_AUTO_TEST_CASE(nothing_changes) {
  const auto x = random_tensor<double>({17, 3}, 3, -1, 5);
  Sequential<double> net;
  net.add<BatchNormalization>({.renorm = true}).add<BatchNormalization>({.name = "frozen"});
  net = built(net, x);
  normalization(net, 1).freeze();
  const auto before = values_of(net);
  const auto health = batch_normalization_health(net, x);
  BOOST_TEST(health.layers.size() == 2u);
  BOOST_TEST(health.layers[1].path == "frozen");
  // The first has normalized by the batch.
  BOOST_TEST(health.layers[1].distance.largest_mean < 1e-12);
  for (const auto& [path, value] : values_of(net)) {
    BOOST_TEST(identical(value, before.at(path)), path);
  }
  BOOST_TEST(normalization(net, 0).statistics().updates().value() == 0);
  BOOST_TEST(!normalization(net, 0).options().use_batch_statistics.has_value());
  BOOST_TEST(!normalization(net, 1).options().use_batch_statistics.value());
}

struct TwoBanks : Module<double> {
  BatchNormalization<double> bn{{.banks = {"real"}}};
  void visit(Visitor<double>& v) override { v("bn", bn); }
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    const auto y = bn(x, ctx, {.bank = "real"});
    return y + bn(x, ctx) + bn(x * 2.0, ctx);
  }
};

BOOST_AUTO_TEST_CASE(banks_have_rows_and_calls_share_one) {
  TwoBanks net = built(TwoBanks(), kX);
  net.bn.statistics("real").updates().set(3);
  const auto health = batch_normalization_health(net, kX);
  BOOST_TEST_REQUIRE(health.layers.size() == 2u);
  BOOST_TEST(health.layers[0].bank == "real");
  BOOST_TEST(health.layers[0].updates == 3);
  BOOST_TEST(health.layers[1].updates == 0);
  // Channel 1 is 7 in one call and 14 in the other.
  same(health.layers[0].dead, {1});
  same(health.layers[1].dead, {});
  BOOST_TEST(health.to_string().find("bn (real)        3  ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(bad_arguments_are_refused) {
  Sequential<double> net;
  net.add<BatchNormalization>({.name = "bn"});
  refuses<StateError>(
      "[batch_normalization_health] the network must be built; got one that was never called or "
      "loaded",
      [&] { batch_normalization_health(net, kX); });
  net = five_channels();
  for (const std::int64_t rows : {0, 1}) {
    refuses<ArgumentError>(
        "[batch_normalization_health] the batch must hold at least 2 values per channel; got " +
            std::to_string(rows) + " at 'bn'",
        [&] {
          batch_normalization_health(net, Tensor<double>::ones({rows, 5}));
        });
  }
  refuses<ShapeError>("[bn] axis -1 must have 5 channels; got input (2, 3)", [&] {
    batch_normalization_health(net, Tensor<double>::ones({2, 3}));
  });
  BOOST_TEST(!normalization(net, 0).options().use_batch_statistics.has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
