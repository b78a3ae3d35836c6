#include <fmt/format.h>

#include <algorithm>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/training/confusion_matrix.hpp>
#include <lamina/training/detail/labels.hpp>
#include <lamina/training/metric.hpp>
#include <limits>
#include <numeric>

namespace lamina {

namespace {

double share(std::int64_t part, std::int64_t whole) {
  if (whole == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(std::int64_t classes) : classes_(classes) {
  if (classes < 1 || classes > 10000) {
    throw ArgumentError("confusion_matrix",
                        fmt::format("classes must lie in [1, 10000]; got {}", classes));
  }
  counts_.assign(static_cast<std::size_t>(classes * classes), 0);
}

std::size_t ConfusionMatrix::index(std::int64_t label, std::int64_t predicted) const {
  for (const std::int64_t value : {label, predicted}) {
    if (value >= 0 && value < classes_) continue;
    throw ArgumentError("confusion_matrix",
                        fmt::format("classes must lie in [0, {}); got {}", classes_, value));
  }
  return static_cast<std::size_t>(label * classes_ + predicted);
}

template <Scalar T>
void ConfusionMatrix::update(const Tensor<T>& scores, const Tensor<std::int64_t>& labels) {
  detail::check_labels("confusion_matrix", scores.shape(), labels, {});
  if (scores.shape()[1] != classes_) {
    throw ShapeError("confusion_matrix", fmt::format("scores must have {} classes; got shape {}",
                                                     classes_, scores.shape().to_string()));
  }
  const Tensor<std::int64_t> predicted = predicted_classes(scores);
  for (std::int64_t i = 0; i < labels.size(); ++i) {
    ++counts_[index(labels.data()[i], predicted.data()[i])];
  }
}

void ConfusionMatrix::add(std::int64_t label, std::int64_t predicted) {
  ++counts_[index(label, predicted)];
}

std::int64_t ConfusionMatrix::count(std::int64_t label, std::int64_t predicted) const {
  return counts_[index(label, predicted)];
}

std::int64_t ConfusionMatrix::total() const noexcept {
  return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
}

double ConfusionMatrix::accuracy() const {
  std::int64_t hits = 0;
  for (std::int64_t c = 0; c < classes_; ++c) hits += count(c, c);
  return share(hits, total());
}

double ConfusionMatrix::precision(std::int64_t predicted) const {
  std::int64_t taken = 0;
  for (std::int64_t c = 0; c < classes_; ++c) taken += count(c, predicted);
  return share(count(predicted, predicted), taken);
}

double ConfusionMatrix::recall(std::int64_t label) const {
  std::int64_t present = 0;
  for (std::int64_t c = 0; c < classes_; ++c) present += count(label, c);
  return share(count(label, label), present);
}

std::string ConfusionMatrix::to_string() const {
  const std::int64_t largest = *std::max_element(counts_.begin(), counts_.end());
  const int width = std::max(5, static_cast<int>(std::to_string(largest).size()) + 1);
  std::string text = fmt::format("{:>8}", "true");
  for (std::int64_t c = 0; c < classes_; ++c) text += fmt::format("{:>{}}", c, width);
  text += fmt::format("{:>10}\n", "recall");
  for (std::int64_t label = 0; label < classes_; ++label) {
    text += fmt::format("{:>8}", label);
    for (std::int64_t c = 0; c < classes_; ++c) {
      text += fmt::format("{:>{}}", count(label, c), width);
    }
    text += fmt::format("{:>8.2f} %\n", 100 * recall(label));
  }
  return text + fmt::format("accuracy {:.2f} % of {}\n", 100 * accuracy(), total());
}

template void ConfusionMatrix::update(const Tensor<float>&, const Tensor<std::int64_t>&);
template void ConfusionMatrix::update(const Tensor<double>&, const Tensor<std::int64_t>&);

}  // namespace lamina
