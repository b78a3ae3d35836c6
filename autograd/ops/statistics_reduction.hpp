// StatisticsReduction: the one thing that normalizing must ask of others when a batch is shared out
// among processes (or threads), each of which holds some of the examples.
//
//   class OverRanks : public StatisticsReduction {
//     void sum(std::span<double> values) override { /* all-reduce, in place */ }
//   };
//   const auto batch = measure(x.value(), layout, weights, std::make_shared<OverRanks>());
//   y = normalize_by_batch(x, batch, gamma, beta, 1e-3);
//
// Every share is normalized by the moments of the whole batch, and a derivative with respect to x
// is that of the sum of all shares' losses. Gradients of scale and offset are those of the share
// alone: they are summed like every other parameter's, by whoever sums gradients.
//
// All shares run the same program: the same layout but for the outer extent (which may be 0), the
// same inputs tracked, the same gradients asked for. Then they call sum() equally often, in the
// same order, with the same number of values. sum() may throw; what the other shares do then is its
// own matter.
// Thread-safety: an object is used by one share, on the thread that normalizes or differentiates.
#pragma once

#include <lamina/autograd/variable.hpp>
#include <memory>
#include <span>

namespace lamina {

class StatisticsReduction {
 public:
  virtual ~StatisticsReduction() = default;

  // Replaces each value by its sum over all shares: the same bits on all of them.
  virtual void sum(std::span<double> values) = 0;
};

using SharedReduction = std::shared_ptr<StatisticsReduction>;

// x summed over all shares, in double; x itself where there is no reduction. Its derivative is the
// same sum of the gradients, so that any order is right.
template <Scalar T>
Variable<T> sum_over_shares(const Variable<T>& x, const SharedReduction& reduction);

}  // namespace lamina
