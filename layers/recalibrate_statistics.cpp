#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/detail/normalizing_by_batch.hpp>
#include <lamina/layers/detail/statistics_pools.hpp>
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

// Whether a batch goes into the new statistics.
template <Scalar T>
bool counts(const NormalizedBatch<T>& seen, const Moments& measured) {
  const auto& options = seen.layer.options();
  if (!options.follows_training() || !(measured.count.data()[0] > 0)) return false;
  return options.non_finite != NonFinite::skip || finite(measured);
}

// Emits the replacement; says how far it goes.
template <Scalar T>
RecalibratedStatistics replace(const detail::StatisticsPool<T>& pool, const Context<T>& ctx) {
  const std::string& path = pool.layer->path();
  const Moments pooled = pool.pooled.moments();
  const BatchStatistics<T> statistics(pooled, {.channels = pooled.mean.size()},
                                      pool.parameter_shape, pool.estimator);
  if (!statistics.finite()) {
    throw NumericError(kWho, fmt::format("the statistics of '{}' must be finite; got a mean or "
                                         "variance over {} batches that is not",
                                         path, pool.batches));
  }
  pool.moving->settle(statistics, ctx);
  return {.path = path,
          .bank = pool.moving->bank(),
          .batches = pool.batches,
          .count = pool.pooled.count(),
          .distance = StatisticsDistance(pool.stored_moments(), pool.moving->moments(),
                                         pool.layer->options().epsilon)};
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
  detail::StatisticsPools<T> pooling(counts<T>);
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
