// PooledMoments: the moments of many batches together, as if they had been one.
//
//   delta     = mean_b - mean
//   mean     += delta n_b / (n + n_b)
//   variance  = (n variance + n_b variance_b + delta^2 n n_b / (n + n_b)) / (n + n_b)
//
// by channel. What is added are Moments of any number of groups, each a batch of its own; those
// without weight change nothing. Errors: ShapeError for another number of channels.
// Thread-safety: one thread. Source: Chan, Golub and LeVeque, Updating Formulae and a Pairwise
// Algorithm for Computing Sample Variances (1979).
#pragma once

#include <lamina/autograd/ops/moments.hpp>
#include <vector>

namespace lamina {

class PooledMoments {
 public:
  void add(const Moments& batch);

  // Sum of the weights of all batches.
  double count() const noexcept { return count_; }
  // Of one group; no channels before the first batch.
  Moments moments() const;

 private:
  double count_ = 0;
  std::vector<double> mean_, squares_;  // squares: sum of the squared distances from the mean
};

}  // namespace lamina
