#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/loss.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/cross_entropy.hpp>
#include <lamina/nn/detail/argument.hpp>

namespace lamina {

namespace {

constexpr const char* kSoftmax = "softmax_cross_entropy";
constexpr const char* kSigmoid = "sigmoid_cross_entropy";

void require_smoothing(const char* who, double smoothing) {
  if (smoothing >= 0 && smoothing <= 1) return;
  throw ArgumentError(who, "label_smoothing must lie in [0, 1]; got " + number_text(smoothing));
}

void require_weights(const char* who, const char* what, const std::vector<double>& weights) {
  for (const double weight : weights) require_not_negative(who, what, weight);
}

CrossEntropyOptions per_example(const SoftmaxCrossEntropyOptions& options) {
  return {.axis = options.axis,
          .label_smoothing = options.label_smoothing,
          .class_weights = options.class_weights,
          .ignore_index = options.ignore_index};
}

}  // namespace

SoftmaxCrossEntropy::SoftmaxCrossEntropy(Options options) : options_(std::move(options)) {
  require_smoothing(kSoftmax, options_.label_smoothing);
  require_weights(kSoftmax, "class_weights", options_.class_weights);
}

template <Scalar T>
Variable<T> SoftmaxCrossEntropy::operator()(
    const Variable<T>& logits, const Tensor<std::int64_t>& labels,
    const std::type_identity_t<Tensor<T>>& sample_weight) const {
  const CrossEntropyOptions options = per_example(options_);
  const Variable<T> entries = softmax_cross_entropy_per_example(logits, labels, options);
  return detail::reduce_entries(kSoftmax, entries, sample_weight, options_.reduction,
                                counted_label_weight(labels, options));
}

template <Scalar T>
Variable<T> SoftmaxCrossEntropy::operator()(
    const Variable<T>& logits, const std::type_identity_t<Variable<T>>& distributions,
    const std::type_identity_t<Tensor<T>>& sample_weight) const {
  const Variable<T> entries =
      softmax_cross_entropy_per_example(logits, distributions, per_example(options_));
  return detail::reduce_entries(kSoftmax, entries, sample_weight, options_.reduction,
                                static_cast<double>(entries.size()));
}

SigmoidCrossEntropy::SigmoidCrossEntropy(Options options) : options_(std::move(options)) {
  require_smoothing(kSigmoid, options_.label_smoothing);
  require_weights(kSigmoid, "pos_weight", options_.pos_weight);
}

template <Scalar T>
Variable<T> SigmoidCrossEntropy::operator()(
    const Variable<T>& logits, const std::type_identity_t<Variable<T>>& targets,
    const std::type_identity_t<Tensor<T>>& sample_weight) const {
  Tensor<T> pos_weight;
  if (!options_.pos_weight.empty()) {
    const Shape shape{static_cast<std::int64_t>(options_.pos_weight.size())};
    pos_weight = Tensor<double>(shape, std::span<const double>(options_.pos_weight)).cast<T>();
    if (shape[0] == 1) pos_weight = pos_weight.reshaped(Shape{});  // also for logits of rank 0
  }
  Variable<T> smoothed = targets;
  if (const double s = options_.label_smoothing; s != 0) {
    smoothed = add(multiply(targets, static_cast<T>(1 - s)), static_cast<T>(s / 2));
  }
  const Variable<T> entries =
      detail::mean_of_last_axis(sigmoid_cross_entropy_per_element(logits, smoothed, pos_weight));
  return detail::reduce_entries(kSigmoid, entries, sample_weight, options_.reduction,
                                static_cast<double>(entries.size()));
}

#define LAMINA_INSTANTIATE(T)                                                                  \
  template Variable<T> SoftmaxCrossEntropy::operator()(                                        \
      const Variable<T>&, const Tensor<std::int64_t>&, const Tensor<T>&) const;                \
  template Variable<T> SoftmaxCrossEntropy::operator()(const Variable<T>&, const Variable<T>&, \
                                                       const Tensor<T>&) const;                \
  template Variable<T> SigmoidCrossEntropy::operator()(const Variable<T>&, const Variable<T>&, \
                                                       const Tensor<T>&) const;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
