#include <fmt/format.h>

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/pooled_moments.hpp>

namespace lamina {

void PooledMoments::add(const Moments& batch) {
  const std::int64_t groups = batch.count.size();
  const std::int64_t channels = groups == 0 ? 0 : batch.mean.size() / groups;
  if (mean_.empty()) {
    mean_.assign(static_cast<std::size_t>(channels), 0.0);
    squares_ = mean_;
  }
  if (static_cast<std::size_t>(channels) != mean_.size()) {
    throw ShapeError("pooled_moments", fmt::format("all batches must have the same channels; got "
                                                   "{}, expected {}",
                                                   channels, mean_.size()));
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    const double added = batch.count.data()[g];
    if (!(added > 0)) continue;
    const double total = count_ + added;
    for (std::size_t c = 0; c < mean_.size(); ++c) {
      const std::size_t s = static_cast<std::size_t>(g * channels) + c;
      const double delta = batch.mean.data()[s] - mean_[c];
      mean_[c] += delta * (added / total);
      squares_[c] += batch.variance.data()[s] * added + delta * delta * (count_ * added / total);
    }
    count_ = total;
  }
}

Moments PooledMoments::moments() const {
  const Shape shape{1, static_cast<std::int64_t>(mean_.size())};
  Tensor<double> variance = Tensor<double>::zeros(shape);
  for (std::size_t c = 0; c < mean_.size() && count_ > 0; ++c) {
    variance.mutable_data()[c] = squares_[c] / count_;
  }
  return {.mean = Tensor<double>(shape, std::span<const double>(mean_)),
          .variance = std::move(variance),
          .count = Tensor<double>(Shape{1}, count_)};
}

}  // namespace lamina
