#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/cross_entropy.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/loss.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/ops/softmax.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <string>

namespace lamina {

namespace {

constexpr const char* kSoftmax = "softmax_cross_entropy";
constexpr const char* kSigmoid = "sigmoid_cross_entropy";

// What the backward of a softmax cross-entropy captures besides variables. Small and without
// vectors: closures live in the tape's arena.
struct Setting {
  kernels::CrossEntropySetting kernel;
  int axis;
  Tensor<double> weights;  // what kernel.weights points into

  Shape kept(const Shape& logits) const { return logits.with(axis, 1); }

  // 1 for examples of which some coefficient is not 0, shaped to broadcast to the logits.
  template <Scalar T>
  Tensor<std::uint8_t> counted(const Tensor<T>& coefficients) const {
    Tensor<std::uint8_t> mask(kept(coefficients.shape()), 0);
    for (std::int64_t o = 0; o < kernel.outer; ++o) {
      const T* const q = coefficients.data() + o * kernel.classes * kernel.inner;
      std::uint8_t* const counts = mask.mutable_data() + o * kernel.inner;
      for (std::int64_t c = 0; c < kernel.classes; ++c) {
        for (std::int64_t i = 0; i < kernel.inner; ++i) counts[i] |= q[c * kernel.inner + i] != 0;
      }
    }
    return mask;
  }

  // The class weights, shaped to multiply the logits.
  template <Scalar T>
  Variable<T> weights_like(const Shape& logits) const {
    if (!weights.defined()) return Variable<T>(Tensor<T>::scalar(T{1}));
    std::array<std::int64_t, kMaxRank> extents;
    extents.fill(1);
    extents[static_cast<std::size_t>(axis)] = kernel.classes;
    const Shape shape(
        std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(logits.rank())));
    return Variable<T>(weights.cast<T>().reshaped(shape));
  }
};

void check_options(const CrossEntropyOptions& options, std::int64_t classes) {
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
    throw ArgumentError(kSoftmax, fmt::format("label_smoothing must lie in [0, 1]; got {}",
                                              options.label_smoothing));
  }
  const auto weights = static_cast<std::int64_t>(options.class_weights.size());
  if (weights != 0 && weights != classes) {
    throw ArgumentError(kSoftmax, "class_weights must have one entry per class; got " +
                                      std::to_string(weights) + ", expected " +
                                      std::to_string(classes));
  }
  for (const double weight : options.class_weights) {
    if (std::isfinite(weight) && weight >= 0) continue;
    throw ArgumentError(
        kSoftmax, fmt::format("class_weights must be finite and not negative; got {}", weight));
  }
}

Setting setting_of(const Shape& logits, const CrossEntropyOptions& options) {
  if (logits.rank() == 0) {
    throw ShapeError(kSoftmax, "logits must have an axis of classes; got shape ()");
  }
  const int axis = normalized_axis(options.axis, logits.rank(), kSoftmax);
  const std::int64_t classes = logits[axis];
  if (classes == 0) {
    throw ShapeError(kSoftmax, "there must be at least one class; got logits " +
                                   logits.to_string() + ", classes on axis " +
                                   std::to_string(axis));
  }
  check_options(options, classes);
  Setting setting{{.outer = logits.size_of_axes(0, axis),
                   .classes = classes,
                   .inner = logits.size_of_axes(axis + 1, logits.rank()),
                   .smoothing = options.label_smoothing,
                   .weights = nullptr,
                   .ignore = options.ignore_index},
                  axis,
                  {}};
  if (!options.class_weights.empty()) {
    setting.weights =
        Tensor<double>(Shape{classes}, std::span<const double>(options.class_weights));
    setting.kernel.weights = setting.weights.data();
  }
  return setting;
}

std::string index_text(const Shape& shape, std::int64_t element) {
  std::string text;
  for (int axis = shape.rank(); axis-- > 0; element /= shape[axis]) {
    text.insert(0, std::to_string(element % shape[axis]));
    if (axis > 0) text.insert(0, ", ");
  }
  return text;
}

void check_labels(const Tensor<std::int64_t>& labels, const Setting& setting, const Shape& logits) {
  const Shape expected = logits.without(setting.axis);
  if (!(labels.shape() == expected)) {
    throw ShapeError(kSoftmax, "labels must have the logits' shape without the classes; got " +
                                   labels.shape().to_string() + ", expected " +
                                   expected.to_string());
  }
  const std::int64_t classes = setting.kernel.classes;
  for (std::int64_t i = 0; i < labels.size(); ++i) {
    const std::int64_t label = labels.data()[i];
    if ((label >= 0 && label < classes) || label == setting.kernel.ignore) continue;
    throw ArgumentError(kSoftmax, "labels must lie in [0, " + std::to_string(classes) + "); got " +
                                      std::to_string(label) + " at (" +
                                      index_text(labels.shape(), i) + ")");
  }
}

// g * ((sum q) softmax(x) - q), for the backward pass that is itself recorded. Where nothing counts
// the logits may hold NaN.
template <Scalar T>
Variable<T> composed_gradient(const Setting& setting, const Variable<T>& g,
                              const Variable<T>& logits, const Variable<T>& q) {
  const Variable<T> x = keep_where(setting.counted(q.value()), logits);
  return reshape(g, setting.kept(x.shape())) *
         (sum(q, setting.axis, true) * softmax(x, setting.axis) - q);
}

}  // namespace

template <Scalar T>
Variable<T> softmax_cross_entropy_per_example(const Variable<T>& logits,
                                              const Tensor<std::int64_t>& labels,
                                              const CrossEntropyOptions& options) {
  const Setting setting = setting_of(logits.shape(), options);
  check_labels(labels, setting, logits.shape());
  Tensor<T> losses = Tensor<T>::uninitialized(labels.shape());
  kernels::softmax_cross_entropy(setting.kernel, logits.value().data(), labels.data(),
                                 losses.mutable_data());
  return record<T>(
      kSoftmax, {logits}, std::move(losses), save(logits), [setting, labels](Backward<T>& b) {
        const Variable<T>& x = b.saved(0);
        Tensor<T> result = Tensor<T>::uninitialized(x.shape());
        if (b.with_graph()) {
          kernels::cross_entropy_coefficients(setting.kernel, labels.data(), result.mutable_data());
          b.add(0, composed_gradient<T>(setting, b.gradient(), x, result));
        } else {
          kernels::softmax_cross_entropy_gradient(setting.kernel, b.gradient().value().data(),
                                                  x.value().data(), labels.data(),
                                                  result.mutable_data());
          b.add(0, std::move(result));
        }
      });
}

template <Scalar T>
Variable<T> softmax_cross_entropy_per_example(const Variable<T>& logits, const Variable<T>& targets,
                                              const CrossEntropyOptions& options) {
  const Setting setting = setting_of(logits.shape(), options);
  if (!(targets.shape() == logits.shape())) {
    throw ShapeError(kSoftmax, "targets must have the logits' shape; got " +
                                   targets.shape().to_string() + ", expected " +
                                   logits.shape().to_string());
  }
  if (options.ignore_index) {
    throw ArgumentError(kSoftmax, "ignore_index must not be given with target distributions; got " +
                                      std::to_string(*options.ignore_index));
  }
  Tensor<T> losses = Tensor<T>::uninitialized(logits.shape().without(setting.axis));
  kernels::softmax_cross_entropy(setting.kernel, logits.value().data(), targets.value().data(),
                                 losses.mutable_data());
  return record<T>(
      kSoftmax, {logits, targets}, std::move(losses), save(logits, targets),
      [setting](Backward<T>& b) {
        const Variable<T>&x = b.saved(0), &t = b.saved(1);
        const double s = setting.kernel.smoothing;
        if (b.wants(0) && !b.with_graph()) {
          Tensor<T> result = Tensor<T>::uninitialized(x.shape());
          kernels::softmax_cross_entropy_gradient(setting.kernel, b.gradient().value().data(),
                                                  x.value().data(), t.value().data(),
                                                  result.mutable_data());
          b.add(0, std::move(result));
        } else if (b.wants(0)) {
          const Variable<T> smoothed = t * T(1 - s) + T(s / double(setting.kernel.classes));
          const Variable<T> q = smoothed * setting.template weights_like<T>(x.shape());
          b.add(0, composed_gradient(setting, b.gradient(), x, q));
        }
        if (b.wants(1)) {
          const Variable<T> weights = setting.template weights_like<T>(x.shape()) * T(s - 1);
          b.add(1, reshape(b.gradient(), setting.kept(x.shape())) *
                       (weights * log_softmax(x, setting.axis)));
        }
      });
}

double counted_label_weight(const Tensor<std::int64_t>& labels,
                            const CrossEntropyOptions& options) {
  double total = 0;
  for (const std::int64_t label : labels.values()) {
    if (label == options.ignore_index) continue;
    if (options.class_weights.empty()) {
      total += 1;
      continue;
    }
    if (label < 0 || label >= static_cast<std::int64_t>(options.class_weights.size())) {
      throw ArgumentError(kSoftmax, "labels must lie in [0, " +
                                        std::to_string(options.class_weights.size()) + "); got " +
                                        std::to_string(label));
    }
    total += options.class_weights[static_cast<std::size_t>(label)];
  }
  return total;
}

template <Scalar T>
Variable<T> sigmoid_cross_entropy_per_element(const Variable<T>& logits, const Variable<T>& targets,
                                              const Tensor<T>& pos_weight) {
  if (!(targets.shape() == logits.shape())) {
    throw ShapeError(kSigmoid, "targets must have the logits' shape; got " +
                                   targets.shape().to_string() + ", expected " +
                                   logits.shape().to_string());
  }
  const Tensor<T> p = pos_weight.defined() ? pos_weight : Tensor<T>::scalar(T{1});
  if (!broadcasts_to(p.shape(), logits.shape())) {
    throw ShapeError(kSigmoid, "pos_weight must broadcast to the logits; got " +
                                   p.shape().to_string() + " for " + logits.shape().to_string());
  }
  return record<T>(kSigmoid, {logits, targets},
                   kernels::sigmoid_cross_entropy(logits.value(), targets.value(), p),
                   save(logits, targets), [p](Backward<T>& b) {
                     const Variable<T>&x = b.saved(0), &t = b.saved(1), &g = b.gradient();
                     if (b.wants(0) && !b.with_graph()) {
                       b.add(0, g * kernels::sigmoid_cross_entropy_slope(x.value(), t.value(), p));
                     } else if (b.wants(0)) {
                       b.add(0, g * ((1 - t) * sigmoid(x) - Variable<T>(p) * t * sigmoid(-x)));
                     }
                     if (b.wants(1)) b.add(1, g * ((Variable<T>(p) - 1) * softplus(-x) - x));
                   });
}

#define LAMINA_LOSS(T)                                                                           \
  template Variable<T> softmax_cross_entropy_per_example(                                        \
      const Variable<T>&, const Tensor<std::int64_t>&, const CrossEntropyOptions&);              \
  template Variable<T> softmax_cross_entropy_per_example(const Variable<T>&, const Variable<T>&, \
                                                         const CrossEntropyOptions&);            \
  template Variable<T> sigmoid_cross_entropy_per_element(const Variable<T>&, const Variable<T>&, \
                                                         const Tensor<T>&);
LAMINA_LOSS(float)
LAMINA_LOSS(double)
#undef LAMINA_LOSS

}  // namespace lamina
