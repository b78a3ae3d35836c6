#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/detail/normalizing_by_batch.hpp>
#include <lamina/layers/normalization_observer.hpp>
#include <lamina/layers/pooled_moments.hpp>
#include <lamina/layers/recalibrate_statistics.hpp>
#include <lamina/nn/detail/argument.hpp>

namespace lamina {
namespace {

constexpr const char* kWho = "recalibrate_statistics";

bool finite(const Moments& moments) {
  const auto all_finite = [](const Tensor<double>& values) {
    return std::all_of(values.data(), values.data() + values.size(),
                       [](double value) { return std::isfinite(value); });
  };
  return all_finite(moments.mean) && all_finite(moments.variance);
}

// What the layers of a network saw, by the statistics that it concerns.
template <Scalar T>
class Pooling : public NormalizationObserver<T> {
 public:
  struct Pool {
    const BatchNormalization<T>* layer;
    const MovingStatistics<T>* moving;
    Shape parameter_shape;
    VarianceEstimator estimator;
    PooledMoments moments;
    std::int64_t batches = 0;
    std::int64_t last_batch = -1;
  };
  std::vector<Pool> pools;
  std::int64_t batch = 0;  // the number of the one that is running

  void normalizes(const NormalizedBatch<T>& seen) override {
    if (!seen.layer.options().follows_training()) return;
    const Moments measured = moments(seen.x, seen.layout, seen.weights);
    if (!(measured.count.data()[0] > 0)) return;
    if (seen.layer.options().non_finite == NonFinite::skip && !finite(measured)) return;
    Pool& pool = pool_of(seen);
    pool.moments.add(measured);
    if (pool.last_batch != batch) ++pool.batches;
    pool.last_batch = batch;
  }

 private:
  // Tied layers have one.
  Pool& pool_of(const NormalizedBatch<T>& seen) {
    const auto state = seen.moving.mean().data();
    for (Pool& pool : pools) {
      if (pool.moving->mean().data() == state) return pool;
    }
    pools.push_back({.layer = &seen.layer,
                     .moving = &seen.moving,
                     .parameter_shape = seen.parameter_shape,
                     .estimator = seen.estimator,
                     .moments = {}});
    return pools.back();
  }
};

// Emits the replacement; says how far it goes.
template <Scalar T>
RecalibratedStatistics replace(const typename Pooling<T>::Pool& pool, const Context<T>& ctx) {
  const std::string& path = pool.layer->path();
  const Moments pooled = pool.moments.moments();
  const BatchStatistics<T> statistics(pooled, {.channels = pooled.mean.size()},
                                      pool.parameter_shape, pool.estimator);
  if (!statistics.finite()) {
    throw NumericError(kWho, fmt::format("the statistics of '{}' must be finite; got a mean or "
                                         "variance over {} batches that is not",
                                         path, pool.batches));
  }
  pool.moving->settle(statistics, ctx);
  Moments stored = pooled;
  std::copy_n(statistics.stored_variance.data(), stored.variance.size(),
              stored.variance.mutable_data());
  return {.path = path,
          .bank = pool.moving->bank(),
          .batches = pool.batches,
          .count = pool.moments.count(),
          .distance =
              StatisticsDistance(stored, pool.moving->moments(), pool.layer->options().epsilon)};
}

}  // namespace

template <Scalar T>
Recalibration recalibrate_statistics(Module<T>& net,
                                     const std::type_identity_t<BatchSource<T>>& next,
                                     const RecalibrationOptions& options) {
  if (options.max_batches) require_at_least(kWho, "max_batches", *options.max_batches, 1);
  if (!net.built()) {
    throw StateError(kWho, "the network must be built; got one that was never called or loaded");
  }
  net.name_tree();
  const detail::NormalizingByBatch<T> by_batch(net);
  const Module<T>& reader = net;
  Pooling<T> pooling;
  auto ctx = Context<T>::for_inference();
  ctx.observer = &pooling;
  Recalibration result;
  while (!options.max_batches || result.batches < *options.max_batches) {
    const Tensor<T> x = next();
    if (!x.defined()) break;
    pooling.batch = result.batches++;
    reader(x, ctx);
  }
  if (result.batches == 0) {
    throw ArgumentError(kWho, "there must be at least one batch; got none");
  }

  CollectedUpdates<T> changes;
  const Context<T> writing{.updates = StateUpdates::collect, .collected = &changes};
  for (const auto& pool : pooling.pools) result.layers.push_back(replace<T>(pool, writing));
  changes.apply();
  for (const auto& pool : pooling.pools) pool.moving->updates().data()->value = pool.batches;
  return result;
}

template Recalibration recalibrate_statistics<float>(Module<float>&, const BatchSource<float>&,
                                                     const RecalibrationOptions&);
template Recalibration recalibrate_statistics<double>(Module<double>&, const BatchSource<double>&,
                                                      const RecalibrationOptions&);

}  // namespace lamina
