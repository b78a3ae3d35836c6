#include <algorithm>
#include <cmath>
#include <lamina/layers/batch_statistics.hpp>

namespace lamina {

template <Scalar T>
BatchStatistics<T>::BatchStatistics(const Moments& moments, const NormLayout& layout,
                                    const Shape& shape, VarianceEstimator estimator)
    : mean(shape, 0.0), variance(shape, T{0}), stored_variance(shape, T{0}) {
  const double* counts = moments.count.data();
  const auto groups =
      std::count_if(counts, counts + layout.groups, [](double count) { return count > 0; });
  empty = groups == 0;
  if (empty) return;
  double* mean_out = mean.mutable_data();
  T *variance_out = variance.mutable_data(), *stored_out = stored_variance.mutable_data();
  // Groups outside: the statistics are read in the order of memory.
  Tensor<double> sums(Shape{3, layout.channels}, 0.0);
  double *const sum_mean = sums.mutable_data(), *const sum_variance = sum_mean + layout.channels,
                *const sum_stored = sum_variance + layout.channels;
  for (std::int64_t g = 0; g < layout.groups; ++g) {
    if (!(counts[g] > 0)) continue;
    const double *const of_mean = moments.mean.data() + g * layout.channels,
                        *const of_variance = moments.variance.data() + g * layout.channels;
    const double factor = variance_factor(estimator, counts[g]);
    for (std::int64_t c = 0; c < layout.channels; ++c) {
      sum_mean[c] += of_mean[c];
      sum_variance[c] += of_variance[c];
      sum_stored[c] += of_variance[c] * factor;
    }
  }
  const double weight = 1.0 / static_cast<double>(groups);
  for (std::int64_t c = 0; c < layout.channels; ++c) {
    mean_out[c] = sum_mean[c] * weight;
    variance_out[c] = static_cast<T>(sum_variance[c] * weight);
    stored_out[c] = static_cast<T>(sum_stored[c] * weight);
  }
}

template <Scalar T>
bool BatchStatistics<T>::finite() const {
  const auto all_finite = [](const auto& values) {
    return std::all_of(values.data(), values.data() + values.size(),
                       [](auto value) { return std::isfinite(static_cast<T>(value)); });
  };
  return all_finite(mean) && all_finite(variance) && all_finite(stored_variance);
}

template struct BatchStatistics<float>;
template struct BatchStatistics<double>;

}  // namespace lamina
