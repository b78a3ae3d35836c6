#include <fmt/format.h>

#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/batch_normalization_health.hpp>
#include <lamina/layers/detail/normalizing_by_batch.hpp>
#include <lamina/layers/detail/statistics_pools.hpp>
#include <lamina/nn/detail/text_table.hpp>
#include <limits>

namespace lamina {
namespace {

constexpr const char* kWho = "batch_normalization_health";
constexpr double kNearEpsilon = 10;  // in units of epsilon

// Sorts the channels that do nothing, or little, into their lists.
template <Scalar T>
void find_idle_channels(const BatchNormalization<T>& layer, const Moments& moments,
                        NormalizationHealth& health) {
  const auto& options = layer.options();
  const double rounding = 4 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (std::int64_t c = 0; c < health.channels; ++c) {
    const double mean = moments.mean.data()[c], variance = moments.variance.data()[c];
    const bool constant = std::sqrt(variance) <= rounding * std::abs(mean);
    const bool silenced = options.scale && layer.gamma().value().data()[c] == 0;
    if (constant || silenced) {
      health.dead.push_back(c);
    } else if (variance < kNearEpsilon * options.epsilon) {
      health.near_epsilon.push_back(c);
    }
  }
}

template <Scalar T>
NormalizationHealth health_of(const detail::StatisticsPool<T>& pool) {
  const BatchNormalization<T>& layer = *pool.layer;
  if (!(pool.pooled.count() >= 2)) {
    throw ArgumentError(kWho, fmt::format("the batch must hold at least 2 values per channel; got "
                                          "{} at '{}'",
                                          pool.pooled.count(), layer.path()));
  }
  const Moments moments = pool.pooled.moments();
  NormalizationHealth health{
      .path = layer.path(),
      .bank = pool.moving->bank(),
      .updates = pool.moving->updates().value(),
      .channels = moments.mean.size(),
      .distance = StatisticsDistance(pool.stored_moments(), pool.moving->moments(),
                                     layer.options().epsilon)};
  find_idle_channels(layer, moments, health);
  return health;
}

std::vector<std::string> line_of(const NormalizationHealth& layer) {
  const auto number = [](double value) { return fmt::format("{:.2f}", value); };
  const auto of_channels = [&](const std::vector<std::int64_t>& list) {
    return fmt::format("{}/{}", list.size(), layer.channels);
  };
  return {layer.bank.empty() ? layer.path : fmt::format("{} ({})", layer.path, layer.bank),
          layer.updates == 0 ? std::string("never") : fmt::to_string(layer.updates),
          number(layer.distance.largest_mean),
          number(layer.distance.median_mean),
          number(layer.distance.largest_deviation),
          number(layer.distance.median_deviation),
          of_channels(layer.dead),
          of_channels(layer.near_epsilon)};
}

}  // namespace

std::string BatchNormalizationHealth::to_string() const {
  std::vector<std::vector<std::string>> lines{
      {"path", "updates", "mean off", "median", "deviation off", "median", "dead", "near epsilon"}};
  for (const auto& layer : layers) lines.push_back(line_of(layer));
  return detail::aligned_table(lines, 1);
}

template <Scalar T>
BatchNormalizationHealth batch_normalization_health(Module<T>& net, const Tensor<T>& batch) {
  if (!net.built()) {
    throw StateError(kWho, "the network must be built; got one that was never called or loaded");
  }
  net.name_tree();
  const detail::NormalizingByBatch<T> by_batch(net);
  detail::StatisticsPools<T> seen;
  auto ctx = Context<T>::for_inference();
  ctx.observer = &seen;
  const Module<T>& reader = net;
  reader(batch, ctx);
  BatchNormalizationHealth health;
  for (const auto& pool : seen.pools) health.layers.push_back(health_of(pool));
  return health;
}

template BatchNormalizationHealth batch_normalization_health(Module<float>&, const Tensor<float>&);
template BatchNormalizationHealth batch_normalization_health(Module<double>&,
                                                             const Tensor<double>&);

}  // namespace lamina
