#include <algorithm>
#include <cmath>
#include <lamina/layers/batch_statistics.hpp>

namespace lamina {

template <Scalar T>
BatchStatistics<T>::BatchStatistics(const Moments& moments, const NormLayout& layout,
                                    const Shape& shape, VarianceEstimator estimator)
    : mean(shape, T{0}), variance(shape, T{0}), stored_variance(shape, T{0}) {
  const double* counts = moments.count.data();
  const auto groups =
      std::count_if(counts, counts + layout.groups, [](double count) { return count > 0; });
  empty = groups == 0;
  if (empty) return;
  T *mean_out = mean.mutable_data(), *variance_out = variance.mutable_data(),
    *stored_out = stored_variance.mutable_data();
  const double weight = 1.0 / static_cast<double>(groups);
  for (std::int64_t c = 0; c < layout.channels; ++c) {
    double sum_mean = 0, sum_variance = 0, sum_stored = 0;
    for (std::int64_t g = 0; g < layout.groups; ++g) {
      if (!(counts[g] > 0)) continue;
      const std::int64_t s = g * layout.channels + c;
      sum_mean += moments.mean.data()[s];
      sum_variance += moments.variance.data()[s];
      sum_stored += moments.variance.data()[s] * variance_factor(estimator, counts[g]);
    }
    mean_out[c] = static_cast<T>(sum_mean * weight);
    variance_out[c] = static_cast<T>(sum_variance * weight);
    stored_out[c] = static_cast<T>(sum_stored * weight);
  }
}

template <Scalar T>
bool BatchStatistics<T>::finite() const {
  const auto all_finite = [](const Tensor<T>& values) {
    return std::all_of(values.data(), values.data() + values.size(),
                       [](T value) { return std::isfinite(value); });
  };
  return all_finite(mean) && all_finite(variance);
}

template struct BatchStatistics<float>;
template struct BatchStatistics<double>;

}  // namespace lamina
