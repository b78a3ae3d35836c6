#include <algorithm>
#include <lamina/layers/variance_estimator.hpp>

namespace lamina {

bool tensorflow_would_fuse(DType dtype, int rank, std::span<const int> kept_axes, bool fused) {
  if (!fused || dtype != DType::float32 || kept_axes.size() != 1) return false;
  const int axis = kept_axes.front();
  return (rank == 4 || rank == 5) && (axis == 1 || axis == rank - 1);
}

double variance_factor(VarianceEstimator estimator, double count) {
  if (estimator != VarianceEstimator::unbiased || count <= 1) return 1;
  return count / std::max(count - 1, 1.0);
}

}  // namespace lamina
