#include <algorithm>
#include <array>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/dataset.hpp>
#include <numeric>
#include <string>
#include <vector>

namespace lamina {
namespace {

void require_scaling(const PixelScaling& scaling) {
  const auto require = [](bool holds, const char* what, double value) {
    if (holds) return;
    throw ArgumentError("dataset",
                        std::string("the scaling's ") + what + "; got " + std::to_string(value));
  };
  require(std::isfinite(scaling.divisor) && scaling.divisor > 0,
          "divisor must be finite and above 0", scaling.divisor);
  require(std::isfinite(scaling.mean), "mean must be finite", scaling.mean);
  require(std::isfinite(scaling.deviation) && scaling.deviation > 0,
          "deviation must be finite and above 0", scaling.deviation);
}

const Shape& shape_of(const Dataset::Features& features) {
  return std::visit([](const auto& tensor) -> const Shape& { return tensor.shape(); }, features);
}

std::vector<std::int64_t> range(std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(last - first));
  std::iota(indices.begin(), indices.end(), first);
  return indices;
}

template <Element T>
void gather(const Tensor<T>& from, std::span<const std::int64_t> rows, std::int64_t width, T* to) {
  for (const std::int64_t row : rows) to = std::copy_n(from.data() + row * width, width, to);
}

template <Scalar T, Element U>
void convert(const Tensor<U>& from, std::span<const std::int64_t> rows, std::int64_t width,
             const PixelScaling& scaling, T* to) {
  if constexpr (std::same_as<T, U>) {
    gather(from, rows, width, to);
  } else if constexpr (std::same_as<U, std::uint8_t>) {
    std::array<T, 256> table;
    for (std::size_t value = 0; value < table.size(); ++value) {
      table[value] = static_cast<T>((static_cast<double>(value) / scaling.divisor - scaling.mean) /
                                    scaling.deviation);
    }
    for (const std::int64_t row : rows) {
      const U* first = from.data() + row * width;
      to = std::transform(first, first + width, to, [&](U value) { return table[value]; });
    }
  } else {
    for (const std::int64_t row : rows) {
      const U* first = from.data() + row * width;
      to = std::transform(first, first + width, to, [](U value) { return static_cast<T>(value); });
    }
  }
}

void require_range(std::int64_t first, std::int64_t last, std::int64_t size) {
  if (0 <= first && first <= last && last <= size) return;
  throw ArgumentError("dataset", "a range must lie inside the data set; got [" +
                                     std::to_string(first) + ", " + std::to_string(last) +
                                     "), expected inside [0, " + std::to_string(size) + ")");
}

}  // namespace

Dataset::Dataset(Features features, Tensor<std::int64_t> labels, const PixelScaling& scaling)
    : features_(std::move(features)), labels_(std::move(labels)), scaling_(scaling) {
  require_scaling(scaling);
  const Shape& shape = shape_of(features_);
  if (shape.rank() == 0) {
    throw DataError("dataset", "features must have an axis of examples; got shape ()");
  }
  if (shape[0] == 0) {
    throw DataError("dataset",
                    "a data set must hold at least one example; got features " + shape.to_string());
  }
  if (labels_.rank() != 1 || labels_.shape()[0] != shape[0]) {
    throw DataError("dataset", "labels must be one per example; got labels " +
                                   labels_.shape().to_string() + " for features " +
                                   shape.to_string() + ", expected (" + std::to_string(shape[0]) +
                                   ")");
  }
}

Shape Dataset::example_shape() const { return shape_of(features_).without(0); }

Shape Dataset::batch_shape(std::int64_t count) const { return shape_of(features_).with(0, count); }

std::int64_t Dataset::classes() const noexcept {
  const auto values = labels_.values();
  return std::max<std::int64_t>(*std::max_element(values.begin(), values.end()) + 1, 0);
}

Dataset Dataset::scaled(const PixelScaling& scaling) const {
  return Dataset(features_, labels_, scaling);
}

Dataset Dataset::slice(std::int64_t first, std::int64_t last) const {
  require_range(first, last, size());
  return subset(range(first, last));
}

void Dataset::require_indices(std::span<const std::int64_t> indices) const {
  for (const std::int64_t index : indices) {
    if (index >= 0 && index < size()) continue;
    throw ArgumentError("dataset", "indices must lie inside the data set; got " +
                                       std::to_string(index) + ", expected inside [0, " +
                                       std::to_string(size()) + ")");
  }
}

Dataset Dataset::subset(std::span<const std::int64_t> indices) const {
  require_indices(indices);
  const auto count = static_cast<std::int64_t>(indices.size());
  const std::int64_t width = example_shape().size();
  auto labels = Tensor<std::int64_t>::uninitialized(Shape{count});
  gather(labels_, indices, 1, labels.mutable_data());
  Features features = std::visit(
      [&]<Element U>(const Tensor<U>& tensor) -> Features {
        auto rows = Tensor<U>::uninitialized(batch_shape(count));
        gather(tensor, indices, width, rows.mutable_data());
        return rows;
      },
      features_);
  return Dataset(std::move(features), std::move(labels), scaling_);
}

template <Scalar T>
Batch<T> Dataset::blank_batch(std::int64_t count) const {
  return {Tensor<T>::uninitialized(batch_shape(count)),
          Tensor<std::int64_t>::uninitialized(Shape{count})};
}

template <Scalar T>
void Dataset::write_batch(std::span<const std::int64_t> indices, Batch<T>& into) const {
  const auto count = static_cast<std::int64_t>(indices.size());
  if (!(into.features.shape() == batch_shape(count)) || !(into.labels.shape() == Shape{count})) {
    throw ShapeError("dataset", "the tensors to write must have the shapes of the batch; got " +
                                    into.features.shape().to_string() + " and " +
                                    into.labels.shape().to_string() + ", expected " +
                                    batch_shape(count).to_string() + " and (" +
                                    std::to_string(count) + ")");
  }
  require_indices(indices);
  const std::int64_t width = example_shape().size();
  gather(labels_, indices, 1, into.labels.mutable_data());
  T* features = into.features.mutable_data();
  std::visit([&](const auto& tensor) { convert(tensor, indices, width, scaling_, features); },
             features_);
}

template <Scalar T>
Batch<T> Dataset::batch(std::span<const std::int64_t> indices) const {
  require_indices(indices);
  Batch<T> result = blank_batch<T>(static_cast<std::int64_t>(indices.size()));
  write_batch(indices, result);
  return result;
}

template <Scalar T>
Batch<T> Dataset::batch(std::int64_t first, std::int64_t last) const {
  require_range(first, last, size());
  return batch<T>(range(first, last));
}

#define LAMINA_DATASET(T)                                                             \
  template Batch<T> Dataset::batch(std::int64_t, std::int64_t) const;                 \
  template Batch<T> Dataset::batch(std::span<const std::int64_t>) const;              \
  template void Dataset::write_batch(std::span<const std::int64_t>, Batch<T>&) const; \
  template Batch<T> Dataset::blank_batch(std::int64_t) const;
LAMINA_DATASET(float)
LAMINA_DATASET(double)
#undef LAMINA_DATASET

}  // namespace lamina
