#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/moments.hpp>
#include <lamina/autograd/ops/moments.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {
namespace {

constexpr const char* kWho = "moments";

template <Scalar T>
void require_weights(const Tensor<T>& weights, const NormLayout& layout) {
  const std::int64_t places = layout.groups * layout.count();
  if (weights.size() != places) {
    throw ShapeError(kWho, fmt::format("there must be one weight per place; got {}, expected {} "
                                       "values",
                                       weights.shape().to_string(), places));
  }
  const auto values = weights.values();
  const auto bad =
      std::find_if(values.begin(), values.end(), [](T w) { return !(std::isfinite(w) && w >= 0); });
  if (bad == values.end()) return;
  throw ArgumentError(kWho, fmt::format("weights must be finite and at least 0; got {}", *bad));
}

// Chan's formula over all shares; one that is empty adds nothing.
void merge_over_shares(Moments& moments, const NormLayout& layout, StatisticsReduction& reduction) {
  const std::int64_t groups = layout.groups, channels = layout.channels;
  double *mean = moments.mean.mutable_data(), *variance = moments.variance.mutable_data(),
         *count = moments.count.mutable_data();
  Tensor<double> firsts(Shape{groups * (1 + channels)}, 0.0),
      seconds(Shape{groups * channels}, 0.0);
  double *counts = firsts.mutable_data(), *sums = counts + groups,
         *squares = seconds.mutable_data();
  const auto each = [&](auto function) {
    for (std::int64_t g = 0; g < groups; ++g) {
      for (std::int64_t s = g * channels; s < (g + 1) * channels; ++s) function(g, s);
    }
  };
  std::copy_n(count, groups, counts);
  each([&](std::int64_t g, std::int64_t s) { sums[s] = count[g] * mean[s]; });
  reduction.sum(firsts.mutable_values());
  each([&](std::int64_t g, std::int64_t s) {
    const double merged = counts[g] > 0 ? sums[s] / counts[g] : 0, difference = mean[s] - merged;
    squares[s] = count[g] > 0 ? count[g] * (variance[s] + difference * difference) : 0;
    mean[s] = merged;
  });
  reduction.sum(seconds.mutable_values());
  each([&](std::int64_t g, std::int64_t s) {
    variance[s] = counts[g] > 0 ? squares[s] / counts[g] : 0;
  });
  std::copy_n(counts, groups, count);
}

}  // namespace

double inverse_deviation(double variance, double epsilon) {
  const double square = variance + epsilon, inverse = 1 / std::sqrt(square);
  return square == 0 ? 0 : inverse;
}

template <Scalar T>
Moments moments(const Tensor<T>& x, const NormLayout& layout, const Tensor<T>& weights) {
  if (x.size() != layout.size()) {
    throw ShapeError(kWho,
                     fmt::format("the layout must cover the input; got {} elements for input {}",
                                 layout.size(), x.shape().to_string()));
  }
  if (weights.defined()) require_weights(weights, layout);
  const Shape by_statistic{layout.groups, layout.channels};
  Moments result{Tensor<double>::uninitialized(by_statistic),
                 Tensor<double>::uninitialized(by_statistic),
                 Tensor<double>::uninitialized(Shape{layout.groups})};
  kernels::moments(x.data(), weights.data(), layout, result.count.mutable_data(),
                   result.mean.mutable_data(), result.variance.mutable_data());
  for (const double n : result.count.values()) {
    if (std::isfinite(n)) continue;
    throw ArgumentError(kWho, fmt::format("the sum of the weights must be finite; got {}", n));
  }
  return result;
}

template <Scalar T>
MeasuredBatch<T> measure(const Tensor<T>& x, const NormLayout& layout, const Tensor<T>& weights,
                         const SharedReduction& reduction) {
  MeasuredBatch<T> batch{.layout = layout,
                         .moments = moments(x, layout, weights),
                         .weights = weights,
                         .reduction = reduction};
  if (reduction) merge_over_shares(batch.moments, layout, *reduction);
  return batch;
}

#define LAMINA_MOMENTS(T)                                                                  \
  template Moments moments(const Tensor<T>&, const NormLayout&, const Tensor<T>&);         \
  template MeasuredBatch<T> measure(const Tensor<T>&, const NormLayout&, const Tensor<T>&, \
                                    const SharedReduction&);
LAMINA_MOMENTS(float)
LAMINA_MOMENTS(double)
#undef LAMINA_MOMENTS

}  // namespace lamina
