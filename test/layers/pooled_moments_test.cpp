#include <boost/test/unit_test.hpp>
#include <lamina/layers/pooled_moments.hpp>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

// Rows [first, last) of a (rows, channels) tensor.
Tensor<double> rows(const Tensor<double>& x, std::int64_t first, std::int64_t last) {
  const std::int64_t channels = x.shape()[1];
  const auto count = static_cast<std::size_t>((last - first) * channels);
  return Tensor<double>({last - first, channels}, x.values().subspan(first * channels, count));
}

Moments moments_of(const Tensor<double>& x, const Tensor<double>& weights = {}) {
  return moments(x, {.outer = x.shape()[0], .channels = x.shape()[1]}, weights);
}

BOOST_AUTO_TEST_SUITE(pooled_moments)

BOOST_AUTO_TEST_CASE(uneven_batches_are_as_one) {
  // A mean of 1e6 deviations: what the squares of sums would lose.
  for (const double offset : {0.0, 1e6}) {
    Tensor<double> x = random_tensor<double>({23, 3}, 7);
    for (double& value : x.mutable_values()) value += offset;
    PooledMoments pooled;
    std::int64_t first = 0;
    for (const std::int64_t last : {1, 6, 6, 19, 23}) {
      pooled.add(moments_of(rows(x, first, last)));
      first = last;
    }
    const Moments expected = moments_of(x), found = pooled.moments();
    BOOST_TEST(pooled.count() == 23);
    BOOST_TEST(found.count.item() == 23);
    check_close("mean", found.mean, expected.mean, 1e-15 * std::max(1.0, offset));
    // The data itself is known to 1e-16 of the offset.
    check_close("variance", found.variance, expected.variance, offset > 0 ? 1e-9 : 1e-14);
  }
}

BOOST_AUTO_TEST_CASE(groups_are_batches_and_weights_count) {
  const Tensor<double> x({4, 1}, {1, 2, 4, 9}), weights({4}, {1, 0, 3, 0});
  PooledMoments pooled;
  // Ghost batches {1, 4} and {2, 9}, of which the second has no weight.
  pooled.add(moments(x, {.outer = 2, .groups = 2}, weights));
  BOOST_TEST(pooled.count() == 4);
  BOOST_TEST(pooled.moments().mean.item() == 3.25);
  BOOST_TEST(pooled.moments().variance.item() == 1.6875);
  pooled.add(moments(x, {.outer = 2, .groups = 2}));
  BOOST_TEST(pooled.count() == 8);
  BOOST_TEST(pooled.moments().mean.item() == 29.0 / 8);
}

BOOST_AUTO_TEST_CASE(nothing_is_nothing) {
  PooledMoments pooled;
  BOOST_TEST(pooled.moments().mean.size() == 0);
  pooled.add(moments_of(Tensor<double>::zeros({0, 2})));
  BOOST_TEST(pooled.count() == 0);
  BOOST_TEST(pooled.moments().mean.size() == 2);
  BOOST_TEST(pooled.moments().variance.at({0, 1}) == 0);
}

BOOST_AUTO_TEST_CASE(other_channels_are_refused) {
  PooledMoments pooled;
  pooled.add(moments_of(Tensor<double>::ones({3, 2})));
  refuses<ShapeError>("[pooled_moments] all batches must have the same channels; got 5, expected 2",
                      [&] {
                        pooled.add(moments_of(Tensor<double>::ones({3, 5})));
                      });
  BOOST_TEST(pooled.count() == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
