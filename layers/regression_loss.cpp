#include <cmath>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/regression_loss.hpp>
#include <lamina/nn/detail/argument.hpp>

namespace lamina {

namespace {

// Entries of the loss whose value per element is f(prediction - target).
template <Scalar T, class Function>
Variable<T> reduced(const char* who, const Variable<T>& prediction, const Variable<T>& target,
                    const Tensor<T>& sample_weight, Reduction reduction, Function&& f) {
  detail::require_same_shape(who, "prediction", prediction.shape(), target.shape());
  const Variable<T> entries = detail::mean_of_last_axis(f(subtract(prediction, target)));
  return detail::reduce_entries(who, entries, sample_weight, reduction,
                                static_cast<double>(entries.size()));
}

}  // namespace

template <Scalar T>
Variable<T> MeanSquaredError::operator()(
    const Variable<T>& prediction, const std::type_identity_t<Variable<T>>& target,
    const std::type_identity_t<Tensor<T>>& sample_weight) const {
  return reduced("mean_squared_error", prediction, target, sample_weight, options_.reduction,
                 [](const Variable<T>& difference) { return square(difference); });
}

template <Scalar T>
Variable<T> MeanAbsoluteError::operator()(
    const Variable<T>& prediction, const std::type_identity_t<Variable<T>>& target,
    const std::type_identity_t<Tensor<T>>& sample_weight) const {
  return reduced("mean_absolute_error", prediction, target, sample_weight, options_.reduction,
                 [](const Variable<T>& difference) { return abs(difference); });
}

Huber::Huber(Options options) : options_(options) {
  if (std::isfinite(options.delta) && options.delta > 0) return;
  throw ArgumentError("huber",
                      "delta must be finite and above 0; got " + number_text(options.delta));
}

// With c = clip(e, -delta, delta) both branches are c (e - c / 2), and the derivative is c.
template <Scalar T>
Variable<T> Huber::operator()(const Variable<T>& prediction,
                              const std::type_identity_t<Variable<T>>& target,
                              const std::type_identity_t<Tensor<T>>& sample_weight) const {
  const T delta = static_cast<T>(options_.delta);
  return reduced("huber", prediction, target, sample_weight, options_.reduction,
                 [delta](const Variable<T>& difference) {
                   const Variable<T> clipped = clip(difference, -delta, delta);
                   return multiply(clipped, subtract(difference, multiply(clipped, T(0.5))));
                 });
}

#define LAMINA_INSTANTIATE(loss, T)                                                               \
  template Variable<T> loss::operator()(const Variable<T>&, const Variable<T>&, const Tensor<T>&) \
      const;
LAMINA_INSTANTIATE(MeanSquaredError, float)
LAMINA_INSTANTIATE(MeanSquaredError, double)
LAMINA_INSTANTIATE(MeanAbsoluteError, float)
LAMINA_INSTANTIATE(MeanAbsoluteError, double)
LAMINA_INSTANTIATE(Huber, float)
LAMINA_INSTANTIATE(Huber, double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
