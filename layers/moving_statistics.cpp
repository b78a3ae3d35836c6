#include <algorithm>
#include <lamina/layers/moving_statistics.hpp>

namespace lamina {

bool tensorflow_would_fuse(DType dtype, int rank, std::span<const int> kept_axes, bool fused) {
  if (!fused || dtype != DType::float32 || kept_axes.size() != 1) return false;
  const int axis = kept_axes.front();
  return (rank == 4 || rank == 5) && (axis == 1 || axis == rank - 1);
}

double variance_factor(VarianceEstimator estimator, std::int64_t count) {
  if (estimator != VarianceEstimator::unbiased) return 1;
  return static_cast<double>(count) / static_cast<double>(std::max<std::int64_t>(count - 1, 1));
}

template <Scalar T>
Tensor<T> averaged_over_groups(const Tensor<double>& values, const NormLayout& layout,
                               const Shape& shape, double factor) {
  Tensor<T> result = Tensor<T>::uninitialized(shape);
  T* out = result.mutable_data();
  const double weight = factor / static_cast<double>(layout.groups);
  for (std::int64_t c = 0; c < layout.channels; ++c) {
    double sum = 0;
    for (std::int64_t g = 0; g < layout.groups; ++g) sum += values.data()[g * layout.channels + c];
    out[c] = static_cast<T>(sum * weight);
  }
  return result;
}

template Tensor<float> averaged_over_groups(const Tensor<double>&, const NormLayout&, const Shape&,
                                            double);
template Tensor<double> averaged_over_groups(const Tensor<double>&, const NormLayout&, const Shape&,
                                             double);

}  // namespace lamina
