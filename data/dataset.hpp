// Dataset: examples and their labels, and how stored features become numbers.
//
//   Dataset images(Tensor<std::uint8_t>(...), labels);        // (N, 28, 28, 1) and (N)
//   Dataset first = images.slice(0, 1000);
//   Batch<float> batch = images.batch<float>(0, 128);         // (128, 28, 28, 1) and (128)
//
// Features are uint8, float or double, with the examples along axis 0; labels are int64, one for
// each example. uint8 features stay as they are in memory and are converted batch by batch:
//   (value / divisor - mean) / deviation,   by default value / 255;
// float and double features are only cast. The scaling belongs to the data set, so that training
// and validation cannot differ by a forgotten option.
//
// Copies share the storage; slice and subset copy the rows.
// Errors: DataError for an empty data set, features without an axis of examples, labels that are
// not one per example; ArgumentError for a bad scaling, a range or an index outside the data set.
// Thread-safety: const members may be called from several threads.
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/tensor.hpp>
#include <span>
#include <variant>

namespace lamina {

struct PixelScaling {
  double divisor = 255.0;
  double mean = 0.0;       // in units of value / divisor
  double deviation = 1.0;  // in units of value / divisor
};

template <Scalar T>
struct Batch {
  Tensor<T> features;           // (B, ...)
  Tensor<std::int64_t> labels;  // (B)
};

class Dataset {
 public:
  using Features = std::variant<Tensor<std::uint8_t>, Tensor<float>, Tensor<double>>;

  Dataset(Features features, Tensor<std::int64_t> labels, const PixelScaling& scaling = {});

  std::int64_t size() const noexcept { return labels_.size(); }
  const Features& features() const noexcept { return features_; }
  const Tensor<std::int64_t>& labels() const noexcept { return labels_; }
  const PixelScaling& scaling() const noexcept { return scaling_; }

  // Of one example: (28, 28, 1).
  Shape example_shape() const;

  // The largest label plus one; 0 where all labels are negative.
  std::int64_t classes() const noexcept;

  // The same data, converted otherwise.
  Dataset scaled(const PixelScaling& scaling) const;

  // The examples [first, last), and those at `indices` in that order (repetitions are allowed).
  Dataset slice(std::int64_t first, std::int64_t last) const;
  Dataset subset(std::span<const std::int64_t> indices) const;

  // The same as converted tensors.
  template <Scalar T>
  Batch<T> batch(std::int64_t first, std::int64_t last) const;
  template <Scalar T>
  Batch<T> batch(std::span<const std::int64_t> indices) const;

  // Writes a batch over what `into` holds; its tensors must have the shapes of the batch.
  template <Scalar T>
  void write_batch(std::span<const std::int64_t> indices, Batch<T>& into) const;

  // A batch of `count` examples, its contents arbitrary.
  template <Scalar T>
  Batch<T> blank_batch(std::int64_t count) const;

 private:
  Shape batch_shape(std::int64_t count) const;
  void require_indices(std::span<const std::int64_t> indices) const;

  Features features_;
  Tensor<std::int64_t> labels_;
  PixelScaling scaling_;
};

}  // namespace lamina
