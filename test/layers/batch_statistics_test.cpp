// What ghost batches tell the moving averages together.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/layers/batch_statistics.hpp>
#include <limits>

namespace lamina {
namespace {

BOOST_AUTO_TEST_SUITE(batch_statistics)

const NormLayout kThreeGroups{.outer = 4, .groups = 3, .channels = 2};

Moments moments_with(std::vector<double> counts) {
  return {.mean = Tensor<double>({3, 2}, {1, 10, 2, 20, 6, 60}),
          .variance = Tensor<double>({3, 2}, {3, 30, 6, 60, 9, 90}),
          .count = Tensor<double>({3}, std::move(counts))};
}

BOOST_AUTO_TEST_CASE(groups_are_averaged_channel_by_channel) {
  const BatchStatistics<float> batch(moments_with({4, 4, 4}), kThreeGroups, {1, 2},
                                     VarianceEstimator::unbiased);
  BOOST_TEST((batch.mean.shape() == Shape{1, 2}));
  BOOST_TEST(batch.mean.at({0, 0}) == 3);
  BOOST_TEST(batch.mean.at({0, 1}) == 30);
  BOOST_TEST(batch.variance.at({0, 0}) == 6);
  BOOST_TEST(batch.stored_variance.at({0, 1}) == 80);  // 60 * 4 / 3
  BOOST_TEST(!batch.empty);
}

BOOST_AUTO_TEST_CASE(every_group_has_the_factor_of_its_own_count) {
  const BatchStatistics<double> batch(moments_with({2, 4, 1}), kThreeGroups, {2},
                                      VarianceEstimator::unbiased);
  BOOST_TEST(std::abs(batch.stored_variance.at({0}) - 23.0 / 3) < 1e-14);
  BOOST_TEST(batch.variance.at({0}) == 6);
}

BOOST_AUTO_TEST_CASE(groups_without_weight_are_left_out) {
  const BatchStatistics<double> batch(moments_with({2, 0, 2}), kThreeGroups, {2},
                                      VarianceEstimator::biased);
  BOOST_TEST(batch.mean.at({0}) == 3.5);
  BOOST_TEST(batch.variance.at({1}) == 60);
  const BatchStatistics<double> nothing(moments_with({0, 0, 0}), kThreeGroups, {2},
                                        VarianceEstimator::biased);
  BOOST_TEST(nothing.empty);
  BOOST_TEST(nothing.mean.at({0}) == 0);
}

BOOST_AUTO_TEST_CASE(one_infinite_channel_is_noticed) {
  Moments moments = moments_with({4, 4, 4});
  const auto finite = [&] {
    return BatchStatistics<double>(moments, kThreeGroups, {2}, VarianceEstimator::biased).finite();
  };
  BOOST_TEST(finite());
  moments.variance.mutable_data()[5] = std::numeric_limits<double>::infinity();
  BOOST_TEST(!finite());
}

// The factor of the estimator may be what takes a variance beyond the type.
BOOST_AUTO_TEST_CASE(an_infinite_stored_variance_is_noticed) {
  Moments moments = moments_with({2, 2, 2});
  for (double& variance : moments.variance.mutable_values()) variance = 3e38;
  const auto finite = [&](VarianceEstimator estimator) {
    return BatchStatistics<float>(moments, kThreeGroups, {2}, estimator).finite();
  };
  BOOST_TEST(finite(VarianceEstimator::biased));
  BOOST_TEST(!finite(VarianceEstimator::unbiased));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
