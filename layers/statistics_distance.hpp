// StatisticsDistance: how far the means and variances of the same channels are apart.
//
//   mean        |mean - reference.mean| / s_ref              in deviations of the reference
//   deviation   max(s / s_ref, s_ref / s)                    a ratio of at least 1
//
// with s = sqrt(variance + epsilon), by channel; the largest and the median channel are told. Equal
// channels have the distances 0 and 1, also where epsilon and variance are 0; where the reference
// alone has none, they are infinite.
#pragma once

#include <lamina/autograd/ops/moments.hpp>

namespace lamina {

struct StatisticsDistance {
  double largest_mean = 0, median_mean = 0;
  double largest_deviation = 1, median_deviation = 1;

  StatisticsDistance() = default;  // nothing is apart
  // Both of one group.
  StatisticsDistance(const Moments& moments, const Moments& reference, double epsilon);
};

}  // namespace lamina
