// BatchStatistics: what a training batch tells the moving averages of a batch normalization.
//
// One value per channel in the shape of the parameters: the means of the (ghost) batches' means and
// variances. Ghost batches without weight (everything masked) are left out.
#pragma once

#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/layers/variance_estimator.hpp>

namespace lamina {

template <Scalar T>
struct BatchStatistics {
  Tensor<double> mean;        // renorm works with what is left of it beside a running mean
  Tensor<T> variance;         // biased: renorm works with this one
  Tensor<T> stored_variance;  // with the estimator's factor: for moving_variance
  bool empty = false;         // no ghost batch had weight; all values are 0

  // `estimator`: biased or unbiased.
  BatchStatistics(const Moments& moments, const NormLayout& layout, const Shape& shape,
                  VarianceEstimator estimator);

  // As the moving averages would store them.
  bool finite() const;
};

extern template struct BatchStatistics<float>;
extern template struct BatchStatistics<double>;

}  // namespace lamina
