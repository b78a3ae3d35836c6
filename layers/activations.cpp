#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/ops/softmax.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/activations.hpp>
#include <lamina/nn/detail/argument.hpp>

namespace lamina {

namespace {

ReLUOptions checked(ReLUOptions options) {
  if (options.max_value) require_not_negative("relu", "max_value", *options.max_value);
  require_not_negative("relu", "negative_slope", options.negative_slope);
  require_not_negative("relu", "threshold", options.threshold);
  if (options.max_value && *options.max_value < options.threshold) {
    throw ArgumentError("relu", "max_value must be at least threshold; got max_value " +
                                    number_text(*options.max_value) + " and threshold " +
                                    number_text(options.threshold));
  }
  return options;
}

LeakyReLUOptions checked(LeakyReLUOptions options) {
  require_not_negative("leaky_relu", "negative_slope", options.negative_slope);
  return options;
}

ELUOptions checked(ELUOptions options) {
  require_finite("elu", "alpha", options.alpha);
  return options;
}

SoftmaxOptions checked(SoftmaxOptions options) {
  if (options.axis.empty()) {
    throw ArgumentError("softmax", "axis must name at least one axis; got an empty list");
  }
  for (const std::int64_t axis : options.axis) {
    if (axis >= -kMaxRank && axis < kMaxRank) continue;
    throw ArgumentError("softmax", "axes must lie in [-" + std::to_string(kMaxRank) + ", " +
                                       std::to_string(kMaxRank) + "); got axis " +
                                       std::to_string(axis));
  }
  return options;
}

// 1 where the test holds between x and the bound.
template <Scalar T, class Test>
Tensor<std::uint8_t> compared(const Tensor<T>& x, double bound, Test test) {
  auto mask = Tensor<std::uint8_t>::uninitialized(x.shape());
  std::uint8_t* out = mask.mutable_data();
  const T limit = static_cast<T>(bound);
  for (std::int64_t i = 0; i < x.size(); ++i) out[i] = test(x.data()[i], limit) ? 1 : 0;
  return mask;
}
constexpr auto kReaches = [](auto x, auto bound) { return x >= bound; };
constexpr auto kExceeds = [](auto x, auto bound) { return x > bound; };
// Holds for NaN too, which must not turn into 0.
constexpr auto kNotUpTo = [](auto x, auto bound) { return !(x <= bound); };

template <Scalar T>
Variable<T> constant(double value) {
  return Tensor<T>::scalar(static_cast<T>(value));
}

template <Scalar T>
Variable<T> general_relu(const Variable<T>& x, const ReLUOptions& options) {
  const auto active = compared(x.value(), options.threshold, kNotUpTo);
  Variable<T> y;
  if (options.negative_slope == 0) {
    y = keep_where(active, x);
  } else {
    Variable<T> below = multiply(add(x, static_cast<T>(-options.threshold)),
                                 static_cast<T>(options.negative_slope));
    // Keras' gradient at 0 is that of leaky_relu where nothing but the slope is asked for, else 0.
    if (options.threshold != 0 || options.max_value)
      below = where(compared(x.value(), options.threshold, kReaches), constant<T>(0), below);
    y = where(active, x, below);
  }
  if (!options.max_value) return y;
  // Keras caps by clip, which passes the gradient on its bound; its relu6 does not.
  const double cap = *options.max_value;
  const bool relu6 = cap == 6 && options.threshold == 0;
  const auto capped =
      relu6 ? compared(x.value(), cap, kReaches) : compared(x.value(), cap, kExceeds);
  return where(capped, constant<T>(cap), y);
}

}  // namespace

void ReLUOptions::visit(OptionVisitor& visitor) {
  visitor("max_value", max_value);
  visitor("negative_slope", negative_slope);
  visitor("threshold", threshold);
}

template <Scalar T>
ReLU<T>::ReLU(ReLUOptions options) : PlainLayer<T, ReLUOptions>(checked(std::move(options))) {}

template <Scalar T>
Variable<T> ReLU<T>::forward(const Variable<T>& x, const Context<T>&) const {
  const ReLUOptions& options = this->options_;
  const bool plain = !options.max_value && options.negative_slope == 0 && options.threshold == 0;
  return plain ? relu(x) : general_relu(x, options);
}

template <Scalar T>
LeakyReLU<T>::LeakyReLU(LeakyReLUOptions options)
    : PlainLayer<T, LeakyReLUOptions>(checked(std::move(options))) {}

template <Scalar T>
Variable<T> LeakyReLU<T>::forward(const Variable<T>& x, const Context<T>&) const {
  return leaky_relu(x, static_cast<T>(this->options_.negative_slope));
}

template <Scalar T>
ELU<T>::ELU(ELUOptions options) : PlainLayer<T, ELUOptions>(checked(std::move(options))) {}

template <Scalar T>
Variable<T> ELU<T>::forward(const Variable<T>& x, const Context<T>&) const {
  return elu(x, static_cast<T>(this->options_.alpha));
}

template <Scalar T>
Variable<T> GELU<T>::forward(const Variable<T>& x, const Context<T>&) const {
  return gelu(x, this->options_.approximate);
}

template <Scalar T>
Variable<T> SiLU<T>::forward(const Variable<T>& x, const Context<T>&) const {
  return silu(x);
}

template <Scalar T>
Variable<T> Sigmoid<T>::forward(const Variable<T>& x, const Context<T>&) const {
  return sigmoid(x);
}

template <Scalar T>
Variable<T> Tanh<T>::forward(const Variable<T>& x, const Context<T>&) const {
  return tanh(x);
}

template <Scalar T>
Softmax<T>::Softmax(SoftmaxOptions options)
    : PlainLayer<T, SoftmaxOptions>(checked(std::move(options))) {}

template <Scalar T>
Variable<T> Softmax<T>::forward(const Variable<T>& x, const Context<T>&) const {
  const std::vector<int> axes(this->options_.axis.begin(), this->options_.axis.end());
  return softmax(x, Axes(std::span<const int>(axes)));
}

template class ReLU<float>;
template class ReLU<double>;
template class LeakyReLU<float>;
template class LeakyReLU<double>;
template class ELU<float>;
template class ELU<double>;
template class GELU<float>;
template class GELU<double>;
template class SiLU<float>;
template class SiLU<double>;
template class Sigmoid<float>;
template class Sigmoid<double>;
template class Tanh<float>;
template class Tanh<double>;
template class Softmax<float>;
template class Softmax<double>;

}  // namespace lamina
