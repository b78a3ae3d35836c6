#include "drift.hpp"

#include <cmath>
#include <lamina/layers/batch_normalization.hpp>

using namespace lamina;

namespace experiments {
namespace {

double squared(double value) { return value * value; }

// x (..., C)
double distance(const Tensor<float>& x, const BatchNormalization<float>& layer) {
  const std::int64_t channels = x.shape()[-1], count = x.size() / channels;
  const double epsilon = layer.options().epsilon;
  const Tensor<float>& moving_mean = layer.moving_mean().value();
  const Tensor<float>& moving_variance = layer.moving_variance().value();
  double sum = 0;
  for (std::int64_t c = 0; c < channels; ++c) {
    double mean = 0, variance = 0;
    for (std::int64_t i = 0; i < count; ++i) mean += x.data()[i * channels + c];
    mean /= static_cast<double>(count);
    for (std::int64_t i = 0; i < count; ++i) variance += squared(x.data()[i * channels + c] - mean);
    variance /= static_cast<double>(count);
    const double deviation = std::sqrt(variance + epsilon);
    const double moving_deviation = std::sqrt(moving_variance.data()[c] + epsilon);
    sum += (squared(mean - moving_mean.data()[c]) + squared(deviation - moving_deviation)) /
           squared(moving_deviation);
  }
  return std::sqrt(sum / static_cast<double>(channels));
}

}  // namespace

void DriftObserver::called(const Module<float>& module, const Variable<float>& input,
                           const Variable<float>& output) {
  (void)output;
  const auto* layer = dynamic_cast<const BatchNormalization<float>*>(&module);
  if (layer) distances_.push_back(distance(input.value(), *layer));
}

}  // namespace experiments
