#include <cmath>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <lamina/autograd/ops/softmax.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/cross_entropy.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <string>

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

// "(3, 1)" for element 7 of shape (4, 2).
std::string place_text(const Shape& shape, std::int64_t element) {
  std::string text;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    text = std::to_string(element % shape[axis]) + (text.empty() ? "" : ", ") + text;
    element /= shape[axis];
  }
  return "(" + text + ")";
}

void require_labels(const Tensor<std::int64_t>& labels, std::int64_t classes,
                    std::optional<std::int64_t> ignored) {
  for (std::int64_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    if ((label >= 0 && label < classes) || label == ignored) continue;
    throw ArgumentError(kSoftmax, "labels must lie in [0, " + std::to_string(classes) +
                                      "), there are " + std::to_string(classes) +
                                      " classes; got label " + std::to_string(label) +
                                      " at index " + place_text(labels.shape(), i));
  }
}

// -sum_c weights_c log softmax(logits)_c. A class of weight 0 is left out, so that a logit of minus
// infinity, which forbids a class, costs nothing where that class is not asked for.
template <Scalar T>
Variable<T> weighted_log_loss(const Variable<T>& logits, const Tensor<T>& weights) {
  auto used = Tensor<std::uint8_t>::uninitialized(weights.shape());
  std::uint8_t* out = used.mutable_data();
  for (std::int64_t i = 0; i < weights.size(); ++i) out[i] = weights.data()[i] != 0 ? 1 : 0;
  const Variable<T> logarithms = keep_where(used, log_softmax(logits));
  return negate(sum(multiply(logarithms, Variable<T>(weights)), -1));
}

}  // namespace

SoftmaxCrossEntropy::SoftmaxCrossEntropy(Options options) : options_(std::move(options)) {
  require_smoothing(kSoftmax, options_.label_smoothing);
  require_weights(kSoftmax, "class_weights", options_.class_weights);
}

void SoftmaxCrossEntropy::require_classes(const Shape& logits) const {
  if (logits.rank() == 0 || logits[-1] == 0) {
    throw ShapeError(kSoftmax,
                     "logits must have a last axis of classes; got " + logits.to_string());
  }
  const auto weights = static_cast<std::int64_t>(options_.class_weights.size());
  if (weights == 0 || weights == logits[-1]) return;
  throw ShapeError(kSoftmax, "there must be one class weight for each of the " +
                                 std::to_string(logits[-1]) + " classes; got " +
                                 std::to_string(weights));
}

double SoftmaxCrossEntropy::weight(std::int64_t label) const {
  return options_.class_weights.empty() ? 1
                                        : options_.class_weights[static_cast<std::size_t>(label)];
}

template <Scalar T>
Variable<T> SoftmaxCrossEntropy::operator()(
    const Variable<T>& logits, const Tensor<std::int64_t>& labels,
    const std::type_identity_t<Tensor<T>>& sample_weight) const {
  require_classes(logits.shape());
  const std::int64_t classes = logits.shape()[-1];
  const Shape entries = logits.shape().without(logits.rank() - 1);
  if (!(labels.shape() == entries)) {
    throw ShapeError(kSoftmax,
                     "labels must have the shape of the logits without the last axis; "
                     "got logits " +
                         logits.shape().to_string() + " and labels " + labels.shape().to_string() +
                         ", expected labels " + entries.to_string());
  }
  require_labels(labels, classes, options_.ignore_index);

  Tensor<T> weights = Tensor<T>::zeros(logits.shape());
  T* row = weights.mutable_data();
  const double smoothing = options_.label_smoothing;
  double denominator = 0;
  for (std::int64_t i = 0; i < labels.size(); ++i, row += classes) {
    const std::int64_t label = labels.data()[i];
    if (label == options_.ignore_index) continue;
    denominator += weight(label);
    if (smoothing != 0) {
      const double share = smoothing / static_cast<double>(classes);
      for (std::int64_t c = 0; c < classes; ++c) row[c] = static_cast<T>(share * weight(c));
    }
    const double target = 1 - smoothing + smoothing / static_cast<double>(classes);
    row[label] = static_cast<T>(target * weight(label));
  }
  return detail::reduce_entries(kSoftmax, weighted_log_loss(logits, weights), sample_weight,
                                options_.reduction, denominator);
}

template <Scalar T>
Variable<T> SoftmaxCrossEntropy::operator()(
    const Variable<T>& logits, const std::type_identity_t<Tensor<T>>& distributions,
    const std::type_identity_t<Tensor<T>>& sample_weight) const {
  require_classes(logits.shape());
  detail::require_same_shape(kSoftmax, "logits", logits.shape(), distributions.shape());
  const std::int64_t classes = logits.shape()[-1];
  const double smoothing = options_.label_smoothing;
  auto weights = Tensor<T>::uninitialized(logits.shape());
  T* out = weights.mutable_data();
  for (std::int64_t i = 0; i < weights.size(); ++i) {
    const double target = static_cast<double>(distributions.data()[i]) * (1 - smoothing) +
                          smoothing / static_cast<double>(classes);
    out[i] = static_cast<T>(target * weight(i % classes));
  }
  return detail::reduce_entries(kSoftmax, weighted_log_loss(logits, weights), sample_weight,
                                options_.reduction, static_cast<double>(logits.size() / classes));
}

SigmoidCrossEntropy::SigmoidCrossEntropy(Options options) : options_(std::move(options)) {
  require_smoothing(kSigmoid, options_.label_smoothing);
  require_weights(kSigmoid, "pos_weight", options_.pos_weight);
}

// -log p = softplus(-x) and -log(1 - p) = x + softplus(-x), so that one element is
// (1 - t) x + (1 - t + w t) softplus(-x).
template <Scalar T>
Variable<T> SigmoidCrossEntropy::operator()(
    const Variable<T>& logits, const std::type_identity_t<Tensor<T>>& targets,
    const std::type_identity_t<Tensor<T>>& sample_weight) const {
  detail::require_same_shape(kSigmoid, "logits", logits.shape(), targets.shape());
  const std::int64_t last = logits.rank() == 0 ? 1 : logits.shape()[-1];
  const auto weights = static_cast<std::int64_t>(options_.pos_weight.size());
  if (weights > 1 && weights != last) {
    throw ShapeError(kSigmoid, "pos_weight must hold one number, or one for each of the " +
                                   std::to_string(last) + " elements of the last axis; got " +
                                   std::to_string(weights));
  }
  auto linear = Tensor<T>::uninitialized(logits.shape());
  auto curved = Tensor<T>::uninitialized(logits.shape());
  T* linear_out = linear.mutable_data();
  T* curved_out = curved.mutable_data();
  const double smoothing = options_.label_smoothing;
  for (std::int64_t i = 0; i < logits.size(); ++i) {
    const double target = static_cast<double>(targets.data()[i]) * (1 - smoothing) + smoothing / 2;
    const double weight =
        weights == 0 ? 1 : options_.pos_weight[static_cast<std::size_t>(i % last % weights)];
    linear_out[i] = static_cast<T>(1 - target);
    curved_out[i] = static_cast<T>(1 - target + weight * target);
  }
  const Variable<T> elements = add(multiply(Variable<T>(linear), logits),
                                   multiply(Variable<T>(curved), softplus(negate(logits))));
  const Variable<T> entries = detail::mean_of_last_axis(elements);
  return detail::reduce_entries(kSigmoid, entries, sample_weight, options_.reduction,
                                static_cast<double>(entries.size()));
}

#define LAMINA_INSTANTIATE(T)                                                                \
  template Variable<T> SoftmaxCrossEntropy::operator()(                                      \
      const Variable<T>&, const Tensor<std::int64_t>&, const Tensor<T>&) const;              \
  template Variable<T> SoftmaxCrossEntropy::operator()(const Variable<T>&, const Tensor<T>&, \
                                                       const Tensor<T>&) const;              \
  template Variable<T> SigmoidCrossEntropy::operator()(const Variable<T>&, const Tensor<T>&, \
                                                       const Tensor<T>&) const;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
