#include <boost/test/unit_test.hpp>
#include <lamina/autograd/ops/moments.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <limits>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

BOOST_AUTO_TEST_SUITE(moments_of_a_batch)

BOOST_AUTO_TEST_CASE(weighted_mean_and_variance_of_known_numbers) {
  const Tensor<float> x({4, 2}, {1, 10, 3, 20, 5, 30, 100, 40});
  const Tensor<float> weights({4}, {1, 2, 1, 0});
  const Moments m = moments(x, {.outer = 4, .channels = 2}, weights);
  BOOST_TEST(identical(m.count, Tensor<double>({1}, {4})));
  BOOST_TEST(identical(m.mean, Tensor<double>({1, 2}, {3, 20})));
  BOOST_TEST(identical(m.variance, Tensor<double>({1, 2}, {2, 50})));
}

BOOST_AUTO_TEST_CASE(the_count_belongs_to_a_group) {
  const auto x = random_tensor<double>({6, 3, 2}, 1);
  const NormLayout layout{.outer = 2, .groups = 3, .channels = 3, .inner = 2};
  BOOST_TEST(identical(moments(x, layout).count, Tensor<double>({3}, 4.0)));
  const Tensor<double> weights({6, 2}, {1, 1, 0, 0, 0.5, 0, 1, 0, 0, 0, 0.25, 2});
  const Moments m = moments(x, layout, weights);
  BOOST_TEST(identical(m.count, Tensor<double>({3}, {3, 0, 2.75})));
  for (const std::int64_t channel : {0, 1, 2}) {
    BOOST_TEST(m.mean.at({1, channel}) == 0);
    BOOST_TEST(m.variance.at({1, channel}) == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_measured_batch_says_how_it_was_measured) {
  const auto x = random_tensor<double>({6, 3}, 1);
  const NormLayout layout{.outer = 2, .groups = 3, .channels = 3};
  const Tensor<double> weights({6}, {1, 2, 1, 0, 3, 1});
  const MeasuredBatch<double> batch = measure(x, layout, weights);
  BOOST_TEST((batch.layout == layout));
  BOOST_TEST(identical(batch.weights, weights));
  const Moments m = moments(x, layout, weights);
  BOOST_TEST(identical(batch.moments.mean, m.mean));
  BOOST_TEST(identical(batch.moments.variance, m.variance));
  BOOST_TEST(identical(batch.moments.count, m.count));
  BOOST_TEST(!measure(x, layout).weights.defined());
}

BOOST_AUTO_TEST_CASE(what_is_not_a_weight_is_refused) {
  const Tensor<double> x({4, 3}, 1.0);
  const NormLayout layout{.outer = 4, .channels = 3};
  refuses<ShapeError>("[moments] the layout must cover the input; got 15 elements for input (4, 3)",
                      [&] { moments(x, {.outer = 5, .channels = 3}); });
  refuses<ShapeError>("[moments] there must be one weight per place; got (4, 3), expected 4 values",
                      [&] {
                        moments(x, layout, Tensor<double>({4, 3}, 1.0));
                      });
  refuses<ArgumentError>("[moments] weights must be finite and at least 0; got -0.5", [&] {
    measure(x, layout, Tensor<double>({4}, {1, -0.5, 1, 1}));
  });
  refuses<ArgumentError>("[moments] weights must be finite and at least 0; got nan", [&] {
    measure(x, layout, Tensor<double>({4}, {1, 1, 1, std::numeric_limits<double>::quiet_NaN()}));
  });
  refuses<ArgumentError>("[moments] the sum of the weights must be finite; got inf",
                         [&] { measure(x, layout, Tensor<double>({4}, 1e308)); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
