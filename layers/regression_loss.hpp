// Losses between a prediction p and a target t of the same shape, as in Keras: the mean over the
// last axis is one entry, and the entries are reduced.
//
//   MeanSquaredError    (p - t)^2
//   MeanAbsoluteError   |p - t|
//   Huber               (p - t)^2 / 2 where |p - t| <= delta, else delta (|p - t| - delta / 2)
//
//   p, t (..., n);  entries (...);  sample_weight: the shape of the entries, or of their leading
//   axes
//
//   MeanSquaredError loss;                          // a function object with options
//   auto l = loss(net(x, ctx), y);
//   auto m = mean_squared_error(net(x, ctx), y);    // the same as a function
//
// Derivatives of any order, in both arguments. Errors: ShapeError where shapes differ (there is no
// broadcasting); ArgumentError for a delta that is not above 0. Thread-safety: immutable.
#pragma once

#include <lamina/layers/loss.hpp>
#include <type_traits>

namespace lamina {

struct MeanSquaredErrorOptions {
  Reduction reduction = Reduction::mean;
};

class MeanSquaredError {
 public:
  using Options = MeanSquaredErrorOptions;
  MeanSquaredError(Options options = {}) : options_(options) {}  // NOLINT: implicit by intent

  template <Scalar T>
  Variable<T> operator()(const Variable<T>& prediction,
                         const std::type_identity_t<Variable<T>>& target,
                         const std::type_identity_t<Tensor<T>>& sample_weight = {}) const;

 private:
  Options options_;
};

struct MeanAbsoluteErrorOptions {
  Reduction reduction = Reduction::mean;
};

class MeanAbsoluteError {
 public:
  using Options = MeanAbsoluteErrorOptions;
  MeanAbsoluteError(Options options = {}) : options_(options) {}  // NOLINT: implicit by intent

  template <Scalar T>
  Variable<T> operator()(const Variable<T>& prediction,
                         const std::type_identity_t<Variable<T>>& target,
                         const std::type_identity_t<Tensor<T>>& sample_weight = {}) const;

 private:
  Options options_;
};

struct HuberOptions {
  double delta = 1;
  Reduction reduction = Reduction::mean;
};

class Huber {
 public:
  using Options = HuberOptions;
  Huber(Options options = {});  // NOLINT: implicit by intent

  template <Scalar T>
  Variable<T> operator()(const Variable<T>& prediction,
                         const std::type_identity_t<Variable<T>>& target,
                         const std::type_identity_t<Tensor<T>>& sample_weight = {}) const;

 private:
  Options options_;
};

template <Scalar T>
Variable<T> mean_squared_error(const Variable<T>& prediction,
                               const std::type_identity_t<Variable<T>>& target,
                               const MeanSquaredErrorOptions& options = {}) {
  return MeanSquaredError(options)(prediction, target);
}
template <Scalar T>
Variable<T> mean_absolute_error(const Variable<T>& prediction,
                                const std::type_identity_t<Variable<T>>& target,
                                const MeanAbsoluteErrorOptions& options = {}) {
  return MeanAbsoluteError(options)(prediction, target);
}
template <Scalar T>
Variable<T> huber(const Variable<T>& prediction, const std::type_identity_t<Variable<T>>& target,
                  const HuberOptions& options = {}) {
  return Huber(options)(prediction, target);
}

}  // namespace lamina
