#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/layers/dropout.hpp>
#include <limits>

#include "support/layer_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

Tensor<double> trained(const Sequential<double>& net, Rng& rng, std::int64_t step) {
  return net(Tensor<double>::ones({40, 50}),
             {.training = true, .updates = StateUpdates::discard, .rng = &rng, .step = step})
      .value();
}

BOOST_AUTO_TEST_SUITE(dropout_suite)

BOOST_AUTO_TEST_CASE(battery) {
  check_layer<Dropout>({.rate = 0.4}, {3, 7, 5}, {.draws = true});
  check_layer<Dropout>({.rate = 0}, {3, 7}, {.draws = true});
  check_layer<Dropout>({.rate = 1}, {3, 7}, {.draws = true});
  check_layer<Dropout>({.rate = 0.5}, {3, 7}, {.training = false});
}

BOOST_AUTO_TEST_CASE(the_rate_and_the_scale) {
  Sequential<double> net;
  net.add<Dropout>({.rate = 0.25});
  net.name_tree();
  Rng rng(1);
  const auto y = trained(net, rng, 0);
  std::int64_t dropped = 0;
  for (const double value : y.values()) {
    BOOST_TEST((value == 0 || value == 1 / 0.75));
    dropped += value == 0 ? 1 : 0;
  }
  // 2000 draws: five deviations.
  BOOST_TEST(std::abs(static_cast<double>(dropped) / 2000 - 0.25) <
             5 * std::sqrt(0.25 * 0.75 / 2000));
}

BOOST_AUTO_TEST_CASE(masks_depend_on_seed_path_and_step) {
  Sequential<double> net, other;
  net.add<Dropout>({.rate = 0.5});
  other.add<Dropout>({.rate = 0.5, .name = "drop"});
  net.name_tree();
  other.name_tree();
  Rng rng(1), seed(2);
  const auto y = trained(net, rng, 0);
  BOOST_TEST(identical(trained(net, rng, 0), y));
  BOOST_TEST(!identical(trained(net, rng, 1), y));
  BOOST_TEST(!identical(trained(net, seed, 0), y));
  BOOST_TEST(!identical(trained(other, rng, 0), y));
}

BOOST_AUTO_TEST_CASE(inference_passes_through) {
  const Dropout<double> layer({.rate = 0.9});
  const auto x = Tensor<double>::ones({3, 5});
  const auto y = layer(x, Context<double>::for_inference()).value();
  BOOST_TEST(y.shares_storage_with(x));
}

BOOST_AUTO_TEST_CASE(arguments_are_checked) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  refuses<ArgumentError>("[dropout] rate must lie in [0, 1]; got -0.5",
                         [] { Dropout<float>({.rate = -0.5}); });
  refuses<ArgumentError>("[dropout] rate must lie in [0, 1]; got 1.5",
                         [] { Dropout<float>({.rate = 1.5}); });
  refuses<ArgumentError>("[dropout] rate must lie in [0, 1]; got nan",
                         [&] { Dropout<float>({.rate = nan}); });
  refuses<StateError>("[dropout] training needs random numbers; got a context without rng", [] {
    Dropout<float> layer({.rate = 0.5});
    layer(Tensor<float>::ones({2, 2}), {.training = true});
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
