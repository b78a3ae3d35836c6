// Cross-entropies, from logits (never from probabilities); exact for logits of any size.
//
// SoftmaxCrossEntropy: classes that exclude each other. With p = softmax(x) over the classes and
// the target distribution t, one entry is
//
//   -sum_c w_c t_c log p_c,     t smoothed: t (1 - s) + s / classes
//
//   logits (..., classes), or with the classes on another `axis`
//   labels: class numbers of the shape without that axis, or distributions of the logits' shape
//
// Given as class numbers, an entry counts with the weight of its class (ignore_index: 0), and the
// mean divides by the sum of these weights (as PyTorch does); given as distributions, by the number
// of entries. Where nothing counts, loss and gradient are 0.
//
// SigmoidCrossEntropy: classes by themselves. One element is, with p = sigmoid(x),
//
//   -(w t log p + (1 - t) log(1 - p)),     t smoothed: t (1 - s) + s / 2
//
//   logits, targets (..., n);  w = pos_weight, one number or n;  an entry is the mean over the last
//   axis
//
// sample_weight, a tensor per call with the shape of the entries (or of their leading axes),
// multiplies the entries and does not change what the mean divides by (as in Keras).
//
//   auto l = softmax_cross_entropy(net(x, ctx), labels);
//   SoftmaxCrossEntropy loss({.label_smoothing = 0.1});
//   auto m = loss(net(x, ctx), labels);
//
// Derivatives of any order, in logits and distributions. Errors: ArgumentError for options out of
// range and for a label outside [0, classes), naming its place; ShapeError where shapes disagree.
// Thread-safety: immutable.
#pragma once

#include <lamina/layers/loss.hpp>
#include <optional>
#include <type_traits>
#include <vector>

namespace lamina {

struct SoftmaxCrossEntropyOptions {
  double label_smoothing = 0;                     // s
  std::vector<double> class_weights = {};         // w, one per class; empty: all 1
  std::optional<std::int64_t> ignore_index = {};  // a label that does not count
  int axis = -1;                                  // of the classes
  Reduction reduction = Reduction::mean;
};

class SoftmaxCrossEntropy {
 public:
  using Options = SoftmaxCrossEntropyOptions;
  SoftmaxCrossEntropy(Options options = {});  // NOLINT: implicit by intent

  template <Scalar T>
  Variable<T> operator()(const Variable<T>& logits, const Tensor<std::int64_t>& labels,
                         const std::type_identity_t<Tensor<T>>& sample_weight = {}) const;
  template <Scalar T>
  Variable<T> operator()(const Variable<T>& logits,
                         const std::type_identity_t<Variable<T>>& distributions,
                         const std::type_identity_t<Tensor<T>>& sample_weight = {}) const;

 private:
  Options options_;
};

struct SigmoidCrossEntropyOptions {
  double label_smoothing = 0;           // s
  std::vector<double> pos_weight = {};  // w; empty: 1
  Reduction reduction = Reduction::mean;
};

class SigmoidCrossEntropy {
 public:
  using Options = SigmoidCrossEntropyOptions;
  SigmoidCrossEntropy(Options options = {});  // NOLINT: implicit by intent

  template <Scalar T>
  Variable<T> operator()(const Variable<T>& logits,
                         const std::type_identity_t<Variable<T>>& targets,
                         const std::type_identity_t<Tensor<T>>& sample_weight = {}) const;

 private:
  Options options_;
};

template <Scalar T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Tensor<std::int64_t>& labels,
                                  const SoftmaxCrossEntropyOptions& options = {}) {
  return SoftmaxCrossEntropy(options)(logits, labels);
}
template <Scalar T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits,
                                  const std::type_identity_t<Variable<T>>& distributions,
                                  const SoftmaxCrossEntropyOptions& options = {}) {
  return SoftmaxCrossEntropy(options)(logits, distributions);
}
template <Scalar T>
Variable<T> sigmoid_cross_entropy(const Variable<T>& logits,
                                  const std::type_identity_t<Variable<T>>& targets,
                                  const SigmoidCrossEntropyOptions& options = {}) {
  return SigmoidCrossEntropy(options)(logits, targets);
}

}  // namespace lamina
