#include <lamina/autograd/kernels/selection.hpp>
#include <lamina/autograd/kernels/transcendental.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/activation.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/detail/gated_gradients.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <limits>
#include <numbers>

namespace lamina {

namespace {

using kernels::kGeluBends;

// d/dx of x * Phi(x), composed of ops.
template <Scalar T>
Variable<T> gelu_slope(const Variable<T>& any_x) {
  const Variable<T> x = clip(any_x, -kGeluBends, kGeluBends);
  const T half_sqrt2 = std::numbers::sqrt2_v<T> / 2;
  const Variable<T> distribution = T{0.5} * (1 + erf(half_sqrt2 * x));
  const Variable<T> density = std::numbers::inv_sqrtpi_v<T> * half_sqrt2 * exp(T{-0.5} * square(x));
  return distribution + x * density;
}

// d/dx of x / 2 * (1 + tanh(s * (x + c * x^3))).
template <Scalar T>
Variable<T> gelu_tanh_slope(const Variable<T>& any_x) {
  const Variable<T> x = clip(any_x, -kGeluBends, kGeluBends);
  const T scale = std::numbers::sqrt2_v<T> * std::numbers::inv_sqrtpi_v<T>, cubic = T(0.044715);
  const Variable<T> squared = square(x);
  const Variable<T> t = tanh(scale * (x + cubic * squared * x));
  return T{0.5} * (1 + t + x * (1 - square(t)) * (scale + 3 * cubic * scale * squared));
}

}  // namespace

// Linear in dy and piecewise constant in the guide, so its own derivative is itself.
template <Scalar T>
Variable<T> detail::relu_gradient(const Variable<T>& dy, const Tensor<T>& guide, T slope) {
  return record<T>(
      "relu", {dy}, kernels::keep_positive(dy.value(), guide, slope), save_nothing,
      [guide, slope](Backward<T>& b) { b.add(0, relu_gradient(b.gradient(), guide, slope)); });
}

template <Scalar T>
Variable<T> relu(const Variable<T>& x) {
  return leaky_relu(x, T{0});
}

template <Scalar T>
Variable<T> leaky_relu(const Variable<T>& x, std::type_identity_t<T> negative_slope) {
  // With a slope above 0 the output has the input's sign, and serves the layer that follows as
  // well.
  Tensor<T> y = kernels::relu(x.value(), negative_slope);
  const auto backward = [negative_slope](Backward<T>& b) {
    b.add(0, detail::relu_gradient(b.gradient(), b.saved(0).value(), negative_slope));
  };
  const char* name = negative_slope == T{0} ? "relu" : "leaky_relu";
  return negative_slope >= T{0} ? record<T>(name, {x}, std::move(y), save_output, backward)
                                : record<T>(name, {x}, std::move(y), save(x), backward);
}

template <Scalar T>
Variable<T> elu(const Variable<T>& x, std::type_identity_t<T> alpha) {
  return record<T>("elu", {x}, kernels::elu(x.value(), alpha), save(x), [alpha](Backward<T>& b) {
    const Variable<T>& v = b.saved(0);
    if (b.with_graph()) {
      // Bounded above: what the other branch replaces must not overflow.
      const Variable<T> falling = alpha * exp(clip(v, -std::numeric_limits<T>::infinity(), T{0}));
      b.add(0, where(kernels::is_positive(v.value()), b.gradient(), b.gradient() * falling));
    } else {
      b.add(0, kernels::elu_gradient(b.gradient().value(), v.value(), alpha));
    }
  });
}

template <Scalar T>
Variable<T> gelu(const Variable<T>& x, bool approximate) {
  if (approximate) {
    return record<T>("gelu", {x}, kernels::gelu_tanh(x.value()), save(x), [](Backward<T>& b) {
      const Variable<T>& v = b.saved(0);
      if (b.with_graph()) {
        b.add(0, b.gradient() * gelu_tanh_slope(v));
      } else {
        b.add(0, kernels::gelu_tanh_gradient(b.gradient().value(), v.value()));
      }
    });
  }
  return record<T>("gelu", {x}, kernels::gelu(x.value()), save(x), [](Backward<T>& b) {
    const Variable<T>& v = b.saved(0);
    if (b.with_graph()) {
      b.add(0, b.gradient() * gelu_slope(v));
    } else {
      b.add(0, kernels::gelu_gradient(b.gradient().value(), v.value()));
    }
  });
}

template <Scalar T>
Variable<T> silu(const Variable<T>& x) {
  return record<T>("silu", {x}, kernels::silu(x.value()), save(x), [](Backward<T>& b) {
    const Variable<T>& v = b.saved(0);
    if (b.with_graph()) {
      const Variable<T> s = sigmoid(v);
      b.add(0, b.gradient() * (s * (1 + v * (1 - s))));
    } else {
      b.add(0, kernels::silu_gradient(b.gradient().value(), v.value()));
    }
  });
}

#define LAMINA_ACTIVATION(T)                                                           \
  template Variable<T> detail::relu_gradient(const Variable<T>&, const Tensor<T>&, T); \
  template Variable<T> relu(const Variable<T>&);                                       \
  template Variable<T> leaky_relu(const Variable<T>&, std::type_identity_t<T>);        \
  template Variable<T> elu(const Variable<T>&, std::type_identity_t<T>);               \
  template Variable<T> gelu(const Variable<T>&, bool);                                 \
  template Variable<T> silu(const Variable<T>&);
LAMINA_ACTIVATION(float)
LAMINA_ACTIVATION(double)
#undef LAMINA_ACTIVATION

}  // namespace lamina
