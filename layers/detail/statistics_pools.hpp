// StatisticsPools: measures what the batch normalizations of a network see, over any number of
// calls, by the moving statistics that it concerns: tied layers share one pool, banks have their
// own.
#pragma once

#include <functional>
#include <lamina/layers/normalization_observer.hpp>
#include <lamina/layers/pooled_moments.hpp>
#include <vector>

namespace lamina::detail {

template <Scalar T>
struct StatisticsPool {
  const BatchNormalization<T>* layer;  // the first that was called
  const MovingStatistics<T>* moving;
  Shape parameter_shape;
  VarianceEstimator estimator;
  PooledMoments pooled = {};
  std::int64_t batches = 0;  // in which it had weight
  std::int64_t last_batch = -1;

  // As the moving statistics would take them in.
  Moments stored_moments() const {
    Moments moments = pooled.moments();
    const double factor = variance_factor(estimator, pooled.count());
    for (double& value : moments.variance.mutable_values()) value *= factor;
    return moments;
  }
};

template <Scalar T>
class StatisticsPools : public NormalizationObserver<T> {
 public:
  // Whether a call counts.
  using Filter = std::function<bool(const NormalizedBatch<T>&, const Moments&)>;

  explicit StatisticsPools(Filter counts = {}) : counts_(std::move(counts)) {}

  std::vector<StatisticsPool<T>> pools;  // in the order of first calls
  std::int64_t batch = 0;                // the number of the one that is running

  void normalizes(const NormalizedBatch<T>& seen) override {
    const Moments measured = moments(seen.x, seen.layout, seen.weights);
    if (counts_ && !counts_(seen, measured)) return;
    StatisticsPool<T>& pool = pool_of(seen);
    pool.pooled.add(measured);
    if (!(measured.count.data()[0] > 0) || pool.last_batch == batch) return;
    pool.last_batch = batch;
    ++pool.batches;
  }

 private:
  StatisticsPool<T>& pool_of(const NormalizedBatch<T>& seen) {
    const auto state = seen.moving.mean().data();
    for (auto& pool : pools) {
      if (pool.moving->mean().data() == state) return pool;
    }
    pools.push_back({.layer = &seen.layer,
                     .moving = &seen.moving,
                     .parameter_shape = seen.parameter_shape,
                     .estimator = seen.estimator});
    return pools.back();
  }

  Filter counts_;
};

}  // namespace lamina::detail
