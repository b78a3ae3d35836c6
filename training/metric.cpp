#include <fmt/format.h>

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/training/detail/labels.hpp>
#include <lamina/training/metric.hpp>
#include <limits>

namespace lamina {

namespace {

// Gathers hits and counts.
class TopK final : public Metric {
 public:
  TopK(std::string name, std::int64_t k, const AccuracyOptions& options)
      : Metric(2), name_(std::move(name)), k_(k), options_(options) {}

  std::string name() const override { return name_; }
  void update(const Tensor<float>& scores, const Tensor<std::int64_t>& labels) override {
    add(scores, labels);
  }
  void update(const Tensor<double>& scores, const Tensor<std::int64_t>& labels) override {
    add(scores, labels);
  }
  double value() const override {
    return sums_[1] > 0 ? sums_[0] / sums_[1] : std::numeric_limits<double>::quiet_NaN();
  }
  std::unique_ptr<Metric> copy() const override { return std::make_unique<TopK>(*this); }

 private:
  // Scores that beat the label's: larger ones, and equal ones before it. A NaN never wins.
  template <Scalar T>
  bool hit(const T* row, std::int64_t classes, std::int64_t label) const {
    const T own = row[label];
    if (own != own) return false;
    std::int64_t better = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      better += row[c] > own || (row[c] == own && c < label) ? 1 : 0;
    }
    return better < k_;
  }

  template <Scalar T>
  void add(const Tensor<T>& scores, const Tensor<std::int64_t>& labels) {
    detail::check_labels(name_, scores.shape(), labels, options_.ignore_index);
    const std::int64_t classes = scores.shape()[1];
    std::int64_t hits = 0, count = 0;
    for (std::int64_t i = 0; i < labels.size(); ++i) {
      const std::int64_t label = labels.data()[i];
      if (label == options_.ignore_index) continue;
      ++count;
      hits += hit(scores.data() + i * classes, classes, label) ? 1 : 0;
    }
    sums_[0] += static_cast<double>(hits);
    sums_[1] += static_cast<double>(count);
  }

  std::string name_;
  std::int64_t k_;
  AccuracyOptions options_;
};

}  // namespace

namespace detail {

void check_labels(const std::string& who, const Shape& scores, const Tensor<std::int64_t>& labels,
                  std::optional<std::int64_t> ignored) {
  if (scores.rank() != 2 || scores[1] < 1) {
    throw ShapeError(who, "scores must have shape (examples, classes); got " + scores.to_string());
  }
  if (labels.rank() != 1 || labels.size() != scores[0]) {
    throw ShapeError(who, "there must be one label per row of scores; got labels " +
                              labels.shape().to_string() + " for scores " + scores.to_string());
  }
  for (std::int64_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    if ((label >= 0 && label < scores[1]) || label == ignored) continue;
    throw ArgumentError(
        who, fmt::format("labels must lie in [0, {}); got {} at position {}", scores[1], label, i));
  }
}

}  // namespace detail

std::shared_ptr<Metric> accuracy(const AccuracyOptions& options) {
  return std::make_shared<TopK>("accuracy", 1, options);
}

std::shared_ptr<Metric> top_k(std::int64_t k, const AccuracyOptions& options) {
  if (k < 1) throw ArgumentError("top_k", fmt::format("k must be at least 1; got {}", k));
  return std::make_shared<TopK>("top_" + std::to_string(k), k, options);
}

template <Scalar T>
Tensor<std::int64_t> predicted_classes(const Tensor<T>& scores) {
  if (scores.rank() != 2 || scores.shape()[1] < 1) {
    throw ShapeError("predicted_classes", "scores must have shape (examples, classes); got " +
                                              scores.shape().to_string());
  }
  const std::int64_t rows = scores.shape()[0], classes = scores.shape()[1];
  Tensor<std::int64_t> result = Tensor<std::int64_t>::uninitialized(Shape{rows});
  std::int64_t* best = result.mutable_data();
  for (std::int64_t i = 0; i < rows; ++i) {
    const T* row = scores.data() + i * classes;
    best[i] = 0;
    for (std::int64_t c = 1; c < classes; ++c) {
      const T most = row[best[i]];
      if (row[c] > most || (most != most && row[c] == row[c])) best[i] = c;
    }
  }
  return result;
}

template Tensor<std::int64_t> predicted_classes(const Tensor<float>&);
template Tensor<std::int64_t> predicted_classes(const Tensor<double>&);

}  // namespace lamina
