// Batch normalization from its definition, element by element and in double, as the oracle of the
// tests: training and inference with any axes, renorm, ghost batches, adjustment and weights, and
// the state that training leaves.
#pragma once

#include <algorithm>
#include <cmath>
#include <lamina/layers/batch_normalization_options.hpp>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace lamina::test {

// By name, as the layer has them: "gamma", "moving_mean", ...
using State = std::map<std::string, Tensor<double>>;

class NaiveBatchNormalization {
 public:
  // `dtype`: of the layer that this one stands beside; TensorFlow's variance depends on it.
  NaiveBatchNormalization(BatchNormalizationOptions options, const Shape& input, State state,
                          DType dtype)
      : options_(std::move(options)), input_(input), state_(std::move(state)), dtype_(dtype) {
    const int rank = input.rank();
    for (const auto a : options_.axis) kept_.push_back(static_cast<int>(a < 0 ? a + rank : a));
    std::sort(kept_.begin(), kept_.end());
    for (const int a : kept_) channels_ *= static_cast<std::size_t>(input[a]);
    if (options_.virtual_batch_size) groups_ = input[0] / *options_.virtual_batch_size;
  }

  const State& state() const { return state_; }

  Tensor<double> inferred(const Tensor<double>& x) const {
    return elements([&](std::int64_t i) {
      const std::size_t c = channel_of(i);
      const double x_hat = (x.data()[i] - value("moving_mean", c)) /
                           std::sqrt(value("moving_variance", c) + options_.epsilon);
      return x_hat * value("gamma", c, 1) + value("beta", c, 0);
    });
  }

  // Moves the state. Weights, a and b have the rank of the input, with its extents or 1; undefined
  // ones stand for 1 and 0.
  Tensor<double> trained(const Tensor<double>& x, const Tensor<double>& a = {},
                         const Tensor<double>& b = {}, const Tensor<double>& weights = {}) {
    const std::vector<Statistic> statistics = measured(x, weights);
    const std::vector<Statistic> means = means_over_groups(statistics);
    const auto corrections = corrections_of(means);
    Tensor<double> y = elements([&](std::int64_t i) {
      const std::size_t c = channel_of(i);
      const Statistic& s = statistics[group_of(i) * channels_ + c];
      const auto [r, d] = corrections[c];
      double value_at = (x.data()[i] - s.mean) / std::sqrt(s.variance + options_.epsilon) * r + d;
      if (a.defined()) value_at = value_at * at(a, i, 1) + at(b, i, 0);
      return value_at * value("gamma", c, 1) + value("beta", c, 0);
    });
    move_state(means);
    return y;
  }

  // Renorm's (r, d) by channel, as the next training step will have them.
  std::vector<std::pair<double, double>> corrections(const Tensor<double>& x) const {
    return corrections_of(means_over_groups(measured(x, {})));
  }

 private:
  struct Statistic {
    double count = 0, mean = 0, variance = 0;
    double stored = 0;  // what the moving variance is moved toward
  };

  template <class Formula>
  Tensor<double> elements(const Formula& formula) const {
    Tensor<double> result = Tensor<double>::uninitialized(input_);
    for (std::int64_t i = 0; i < input_.size(); ++i) result.mutable_data()[i] = formula(i);
    return result;
  }
  std::vector<std::int64_t> index_of(std::int64_t i) const {
    std::vector<std::int64_t> index(static_cast<std::size_t>(input_.rank()));
    for (int axis = input_.rank() - 1; axis >= 0; --axis) {
      index[static_cast<std::size_t>(axis)] = i % input_[axis];
      i /= input_[axis];
    }
    return index;
  }
  std::size_t channel_of(std::int64_t i) const {
    const auto index = index_of(i);
    std::int64_t channel = 0;
    for (const int axis : kept_) {
      channel = channel * input_[axis] + index[static_cast<std::size_t>(axis)];
    }
    return static_cast<std::size_t>(channel);
  }
  std::size_t group_of(std::int64_t i) const {
    return static_cast<std::size_t>(index_of(i)[0] % groups_);
  }
  double value(const char* name, std::size_t channel, double absent = 0) const {
    const auto found = state_.find(name);
    return found == state_.end() ? absent : found->second.values()[channel];
  }
  double at(const Tensor<double>& values, std::int64_t i, double absent) const {
    if (!values.defined()) return absent;
    const auto index = index_of(i);
    std::int64_t offset = 0;
    for (int axis = 0; axis < input_.rank(); ++axis) {
      const std::int64_t extent = values.shape()[axis];
      offset = offset * extent + (extent == 1 ? 0 : index[static_cast<std::size_t>(axis)]);
    }
    return values.data()[offset];
  }

  // By (group, channel).
  std::vector<Statistic> measured(const Tensor<double>& x, const Tensor<double>& weights) const {
    std::vector<Statistic> all(static_cast<std::size_t>(groups_) * channels_);
    const auto each = [&](auto add) {
      for (std::int64_t i = 0; i < x.size(); ++i) {
        const double weight = at(weights, i, 1);
        if (weight != 0) add(all[group_of(i) * channels_ + channel_of(i)], x.data()[i], weight);
      }
    };
    each([](Statistic& s, double, double w) { s.count += w; });
    each([](Statistic& s, double v, double w) { s.mean += w * v / s.count; });
    each([](Statistic& s, double v, double w) {
      s.variance += w * (v - s.mean) * (v - s.mean) / s.count;
    });
    for (Statistic& s : all) {
      s.stored = s.variance * (stores_unbiased() && s.count > 1 ? s.count / (s.count - 1) : 1);
    }
    return all;
  }
  std::vector<Statistic> means_over_groups(const std::vector<Statistic>& statistics) const {
    std::vector<Statistic> means(channels_);
    const auto groups = static_cast<double>(groups_);
    for (std::size_t s = 0; s < statistics.size(); ++s) {
      Statistic& mean = means[s % channels_];
      mean.mean += statistics[s].mean / groups;
      mean.variance += statistics[s].variance / groups;
      mean.stored += statistics[s].stored / groups;
    }
    return means;
  }
  // The table of TensorFlow's fused kernel.
  bool stores_unbiased() const {
    if (dtype_ != DType::float32 || !options_.fused.value_or(true)) return false;
    if (options_.renorm || options_.virtual_batch_size || options_.adjustment) return false;
    const int rank = input_.rank();
    return kept_.size() == 1 && (rank == 4 || rank == 5) && (kept_[0] == 1 || kept_[0] == rank - 1);
  }

  std::pair<double, double> correction(const Statistic& batch, std::size_t c) const {
    if (!options_.renorm) return {1, 0};
    const double p = std::max(value("renorm_stddev", c), std::sqrt(options_.epsilon));
    double r = std::sqrt(batch.variance + options_.epsilon) / p;
    double d = (batch.mean - value("renorm_mean", c)) / p;
    const auto& clipping = options_.renorm_clipping;
    if (clipping.rmin) r = std::max(r, clipping.rmin->at(0));
    if (clipping.rmax) r = std::min(r, clipping.rmax->at(0));
    if (clipping.dmax) d = std::clamp(d, -clipping.dmax->at(0), clipping.dmax->at(0));
    return {r, d};
  }
  std::vector<std::pair<double, double>> corrections_of(const std::vector<Statistic>& means) const {
    std::vector<std::pair<double, double>> all;
    for (std::size_t c = 0; c < channels_; ++c) all.push_back(correction(means[c], c));
    return all;
  }
  void move(const char* name, std::size_t channel, double toward, double momentum) {
    double& moved = state_.at(name).mutable_values()[channel];
    moved = momentum * moved + (1 - momentum) * toward;
  }
  void move_state(const std::vector<Statistic>& means) {
    const double momentum = options_.momentum.weight();
    for (std::size_t c = 0; c < channels_; ++c) {
      move("moving_mean", c, means[c].mean, momentum);
      if (!options_.renorm) {
        move("moving_variance", c, means[c].stored, momentum);
        continue;
      }
      const double s = std::sqrt(means[c].variance + options_.epsilon);
      move("renorm_mean", c, means[c].mean, options_.renorm_momentum);
      move("renorm_stddev", c, s, options_.renorm_momentum);
      move("moving_stddev", c, s, momentum);
      const double stddev = value("moving_stddev", c);
      move("moving_variance", c, std::max(stddev * stddev - options_.epsilon, 0.0), 0);
    }
  }

  BatchNormalizationOptions options_;
  Shape input_;
  State state_;
  DType dtype_;
  std::vector<int> kept_;  // ascending
  std::size_t channels_ = 1;
  std::int64_t groups_ = 1;
};

}  // namespace lamina::test
