#include "batches.hpp"

#include <fmt/format.h>

#include <lamina/autograd/tensor/error.hpp>

using namespace lamina;

namespace experiments {
namespace {

constexpr const char* kWho = "batch_sampler";

std::vector<std::vector<std::int64_t>> indices_by_class(const Tensor<std::int64_t>& labels) {
  std::vector<std::vector<std::int64_t>> result;
  for (std::int64_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<std::size_t>(labels.data()[i]);
    if (label >= result.size()) result.resize(label + 1);
    result[label].push_back(i);
  }
  std::erase_if(result, [](const auto& indices) { return indices.empty(); });
  return result;
}

}  // namespace

BatchSampler::BatchSampler(const Tensor<std::int64_t>& labels, Composition composition,
                           std::int64_t batch_size, std::uint64_t seed)
    : composition_(composition), examples_(labels.size()), batch_size_(batch_size), rng_(seed) {
  if (batch_size < 1) {
    throw ArgumentError(kWho, fmt::format("the batch size must be at least 1; got {}", batch_size));
  }
  if (composition == Composition::independent) return;
  by_class_ = indices_by_class(labels);
  if (by_class_.size() < 2) {
    throw ArgumentError(kWho,
                        fmt::format("two classes must be there to draw; got {}", by_class_.size()));
  }
}

std::vector<std::int64_t> BatchSampler::next() {
  return composition_ == Composition::independent ? next_independent() : next_two_classes();
}

std::vector<std::int64_t> BatchSampler::next_independent() {
  std::vector<std::int64_t> result;
  while (static_cast<std::int64_t>(result.size()) < batch_size_) {
    if (position_ == order_.size()) {
      order_ = rng_.stream("order of examples", rng_.next_step()).permutation(examples_);
      position_ = 0;
    }
    result.push_back(order_[position_++]);
  }
  return result;
}

std::vector<std::int64_t> BatchSampler::next_two_classes() {
  const RandomStream stream = rng_.stream("two classes", rng_.next_step());
  const auto classes = stream.permutation(static_cast<std::int64_t>(by_class_.size()));
  std::vector<std::int64_t> result;
  for (std::int64_t k = 0; k < batch_size_; ++k) {
    const auto& members = by_class_[static_cast<std::size_t>(classes[k % 2])];
    const double drawn =
        stream.uniform(static_cast<std::uint64_t>(k)) * static_cast<double>(members.size());
    result.push_back(members[static_cast<std::size_t>(drawn)]);
  }
  return result;
}

}  // namespace experiments
