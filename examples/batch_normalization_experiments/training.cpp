#include "training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/lamina.hpp>

#include "drift.hpp"

using namespace lamina;

namespace experiments {
namespace {

constexpr const char* kWho = "experiments";
constexpr std::int64_t kHiddenLayers = 5, kUnits = 128;
constexpr std::int64_t kProbeImages = 1000;      // for the drift in inference mode
constexpr std::int64_t kDriftMicrobatches = 32;  // averaged, because single ones are noisy

std::int64_t microbatches(const Setting& setting) {
  return setting.batch_size / setting.statistics_of;
}

Sequential<float> network(const Setting& setting) {
  BatchNormalizationOptions normalization{.momentum = setting.momentum,
                                          .renorm = setting.renorm,
                                          .renorm_momentum = setting.momentum,
                                          .virtual_batch_size = setting.ghost_batch,
                                          .variance_estimator = setting.variance_estimator};
  if (setting.renorm) {
    normalization.renorm_clipping = paper_ramps(setting.steps * microbatches(setting));
  }
  Sequential<float> net;
  net.add<Flatten>();
  for (std::int64_t layer = 0; layer < kHiddenLayers; ++layer) {
    net.add<Dense>({.units = kUnits, .use_bias = false})
        .add<BatchNormalization>(normalization)
        .add<ReLU>();
  }
  net.add<Dense>({.units = 10});
  return net;
}

double test_accuracy(const Module<float>& net, const Dataset& test) {
  const auto metric = accuracy();
  for (std::int64_t first = 0; first < test.size(); first += 500) {
    const auto batch = test.batch<float>(first, std::min(first + 500, test.size()));
    metric->update(net(batch.features, Context<float>::for_inference()).value(), batch.labels);
  }
  return 100 * metric->value();
}

class Run {
 public:
  Run(const Setting& setting, const Data& data, std::uint64_t seed)
      : setting_(setting),
        data_(data),
        net_(network(setting)),
        rng_(seed),
        sampler_(data.train.labels(), setting.composition, setting.batch_size, seed),
        drift_sampler_(data.train.labels(), setting.composition, setting.statistics_of, ~seed) {}

  Outcome train();

 private:
  void update(Optimizer<float>& optimizer);
  // Training mode that changes nothing: statistics of the batch, but no updates.
  Context<float> batch_statistics() const {
    return {.training = true, .updates = StateUpdates::discard, .step = rng_.step()};
  }
  Measurement measured(std::int64_t step);
  std::vector<double> batch_drift();
  std::vector<double> inference_drift() const;
  double batch_accuracy() const;

  const Setting& setting_;
  const Data& data_;
  Sequential<float> net_;
  Rng rng_;
  BatchSampler sampler_, drift_sampler_;
  Tape<float> tape_;
};

Outcome Run::train() {
  const Schedule rate = linear_schedule({.learning_rate = setting_.learning_rate,
                                         .start_factor = 1,
                                         .end_factor = 0,
                                         .total_steps = setting_.steps});
  SGD<float> optimizer(net_.parameters(), {.learning_rate = rate, .momentum = 0.9});
  Outcome outcome;
  std::int64_t next = 1;  // measurement
  for (std::int64_t step = 1; step <= setting_.steps; ++step) {
    update(optimizer);
    if (step < next * setting_.steps / setting_.measurements) continue;
    outcome.curve.push_back(measured(step));
    ++next;
  }
  outcome.test_accuracy = outcome.curve.back().test_accuracy;
  outcome.batch_accuracy = batch_accuracy();
  return outcome;
}

// Gradients add up over the microbatches; the loss is divided so that they add up to a mean.
void Run::update(Optimizer<float>& optimizer) {
  const auto indices = sampler_.next();
  const std::span<const std::int64_t> all(indices);
  const auto size = static_cast<std::size_t>(setting_.statistics_of);
  const float share = 1 / static_cast<float>(microbatches(setting_));
  for (std::size_t first = 0; first < all.size(); first += size) {
    const auto batch = data_.train.batch<float>(all.subspan(first, size));
    const auto ctx = Context<float>::for_training(tape_, rng_);
    const auto loss = softmax_cross_entropy(net_(batch.features, ctx), batch.labels) * share;
    if (!std::isfinite(loss.item())) {
      throw NumericError(
          kWho, fmt::format("the loss must be finite; got {} in call {}", loss.item(), ctx.step));
    }
    tape_.backward(loss);
    tape_.clear();
  }
  optimizer.step();
  optimizer.zero_gradients();
}

Measurement Run::measured(std::int64_t step) {
  Measurement result{.step = step, .test_accuracy = test_accuracy(net_, data_.test)};
  if (setting_.measures_drift) {
    result.batch_drift = batch_drift();
    result.inference_drift = inference_drift();
  }
  return result;
}

std::vector<double> Run::batch_drift() {
  const Module<float>& net = net_;
  std::vector<double> mean(kHiddenLayers, 0.0);
  for (std::int64_t i = 0; i < kDriftMicrobatches; ++i) {
    DriftObserver observer;
    Context<float> ctx = batch_statistics();
    ctx.observer = &observer;
    net(data_.train.batch<float>(drift_sampler_.next()).features, ctx);
    for (std::size_t layer = 0; layer < mean.size(); ++layer)
      mean[layer] += observer.distances()[layer] / kDriftMicrobatches;
  }
  return mean;
}

std::vector<double> Run::inference_drift() const {
  DriftObserver observer;
  Context<float> ctx = Context<float>::for_inference();
  ctx.observer = &observer;
  const std::int64_t images = std::min(kProbeImages, data_.train.size());
  net_(data_.train.batch<float>(0, images).features, ctx);
  return observer.distances();
}

double Run::batch_accuracy() const {
  const std::int64_t size = setting_.statistics_of;
  BatchSampler sampler(data_.test.labels(), setting_.composition, size, 0);
  const auto metric = accuracy();
  for (std::int64_t examples = 0; examples < data_.test.size(); examples += size) {
    const auto batch = data_.test.batch<float>(sampler.next());
    metric->update(net_(batch.features, batch_statistics()).value(), batch.labels);
  }
  return 100 * metric->value();
}

}  // namespace

Outcome train(const Setting& setting, const Data& data, std::uint64_t seed) {
  return Run(setting, data, seed).train();
}

RenormClipping paper_ramps(std::int64_t calls) {
  // From `low` before the share 1/32 of the run to `high` at the share `end`.
  const auto ramp = [calls](double low, double high, double end, std::int64_t step) {
    constexpr double kStart = 1.0 / 32;
    const double share = static_cast<double>(step) / static_cast<double>(calls);
    return low + (high - low) * std::clamp((share - kStart) / (end - kStart), 0.0, 1.0);
  };
  const auto rmax = [ramp](std::int64_t step) { return ramp(1, 3, 8.0 / 32, step); };
  return {.rmax = rmax,
          .rmin = [rmax](std::int64_t step) { return 1 / rmax(step); },
          .dmax = [ramp](std::int64_t step) { return ramp(0, 5, 5.0 / 32, step); }};
}

}  // namespace experiments
