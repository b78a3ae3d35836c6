#include <algorithm>
#include <cmath>
#include <lamina/layers/statistics_distance.hpp>
#include <limits>
#include <vector>

namespace lamina {
namespace {

// NaN counts as infinitely far.
double ratio(double numerator, double denominator, double when_both_are_zero) {
  if (numerator == 0 && denominator == 0) return when_both_are_zero;
  const double value = numerator / denominator;
  return std::isnan(value) ? std::numeric_limits<double>::infinity() : value;
}

// The upper one of two in the middle.
double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

StatisticsDistance::StatisticsDistance(const Moments& moments, const Moments& reference,
                                       double epsilon) {
  const auto channels = static_cast<std::size_t>(moments.mean.size());
  if (channels == 0) return;
  std::vector<double> means(channels), deviations(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double s = std::sqrt(moments.variance.data()[c] + epsilon);
    const double s_ref = std::sqrt(reference.variance.data()[c] + epsilon);
    means[c] = ratio(std::abs(moments.mean.data()[c] - reference.mean.data()[c]), s_ref, 0);
    deviations[c] = std::max(ratio(s, s_ref, 1), ratio(s_ref, s, 1));
  }
  largest_mean = *std::max_element(means.begin(), means.end());
  largest_deviation = *std::max_element(deviations.begin(), deviations.end());
  median_mean = median(std::move(means));
  median_deviation = median(std::move(deviations));
}

}  // namespace lamina
