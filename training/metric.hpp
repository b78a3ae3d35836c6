// Metric: a number that tells how good predictions are, gathered over batches.
//
//   auto metric = accuracy();
//   metric->update(logits, labels);  ...  metric->value();
//
// Trainer takes a list of them ({accuracy(), top_k(5)}) and uses copies, one for training and one
// for validation. Logits and probabilities do equally well: only their order counts; of equal
// scores the first is the prediction. Shapes: scores (N, C), labels (N) in [0, C). Errors:
// ShapeError (shapes), ArgumentError (options, a label out of range); nothing is added then.
// Thread-safety: one thread at a time.
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/tensor.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

class Metric {
 public:
  virtual ~Metric() = default;

  virtual std::string name() const = 0;
  virtual void update(const Tensor<float>& scores, const Tensor<std::int64_t>& labels) = 0;
  virtual void update(const Tensor<double>& scores, const Tensor<std::int64_t>& labels) = 0;
  // NaN before the first label.
  virtual double value() const = 0;
  // Whether a larger value is better: what early stopping and "best" checkpoints go by.
  virtual bool larger_is_better() const { return true; }
  virtual std::unique_ptr<Metric> copy() const = 0;

  // All that was gathered; a checkpoint in the middle of an epoch holds it.
  std::vector<double>& sums() noexcept { return sums_; }
  void reset() { sums_.assign(sums_.size(), 0.0); }

 protected:
  explicit Metric(std::size_t sums) : sums_(sums, 0.0) {}
  Metric(const Metric&) = default;

  std::vector<double> sums_;
};

using MetricList = std::vector<std::shared_ptr<const Metric>>;

struct AccuracyOptions {
  std::optional<std::int64_t> ignore_index = {};  // labels of this value are passed over
};

// Share of the examples whose label has the largest score: "accuracy".
std::shared_ptr<Metric> accuracy(const AccuracyOptions& options = {});

// Share of the examples whose label is among the k largest scores: "top_5".
std::shared_ptr<Metric> top_k(std::int64_t k, const AccuracyOptions& options = {});

// The class with the largest score, per row: (N, C) -> (N). A NaN is never the largest; where all
// are NaN it is class 0.
template <Scalar T>
Tensor<std::int64_t> predicted_classes(const Tensor<T>& scores);

}  // namespace lamina
