#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/layers/statistics_distance.hpp>
#include <limits>

namespace lamina::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Moments made(std::initializer_list<double> mean, std::initializer_list<double> variance) {
  const Shape shape{1, static_cast<std::int64_t>(mean.size())};
  return {.mean = Tensor<double>(shape, mean),
          .variance = Tensor<double>(shape, variance),
          .count = Tensor<double>({1}, 1.0)};
}

BOOST_AUTO_TEST_SUITE(statistics_distance)

BOOST_AUTO_TEST_CASE(by_hand) {
  // Distances 3, 0.5, 0.25; ratios 2, 1, 4 (either way).
  const Moments a = made({7, 0.5, 1}, {3.75, 0.75, 0.75}), b = made({1, 1, 2}, {3.75, 0.75, 15.75});
  const StatisticsDistance d(a, b, 0.25);
  BOOST_TEST(d.largest_mean == 3);
  BOOST_TEST(d.median_mean == 0.5);
  BOOST_TEST(d.largest_deviation == 4);
  BOOST_TEST(d.median_deviation == 1);
  const StatisticsDistance back(b, a, 0.25);
  BOOST_TEST(back.largest_deviation == 4);
  BOOST_TEST(back.largest_mean == 3);
  BOOST_TEST(back.median_mean == 1);
}

BOOST_AUTO_TEST_CASE(the_same_is_not_apart) {
  const StatisticsDistance none;
  for (const double variance : {0.0, 2.0}) {
    const Moments a = made({7, 0}, {variance, 1});
    const StatisticsDistance d(a, a, 0);
    BOOST_TEST(d.largest_mean == none.largest_mean);
    BOOST_TEST(d.median_mean == none.median_mean);
    BOOST_TEST(d.largest_deviation == none.largest_deviation);
    BOOST_TEST(d.median_deviation == none.median_deviation);
  }
  BOOST_TEST(StatisticsDistance(made({}, {}), made({}, {}), 0).largest_mean == 0);
}

BOOST_AUTO_TEST_CASE(without_deviation_or_number_it_is_infinite) {
  const StatisticsDistance no_deviation(made({1}, {1}), made({2}, {0}), 0);
  BOOST_TEST(no_deviation.largest_mean == kInfinity);
  BOOST_TEST(no_deviation.largest_deviation == kInfinity);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const StatisticsDistance unknown(made({nan, 1}, {nan, 1}), made({1, 1}, {1, 1}), 0);
  BOOST_TEST(unknown.largest_mean == kInfinity);
  BOOST_TEST(unknown.largest_deviation == kInfinity);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
