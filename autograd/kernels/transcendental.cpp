#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/loops.hpp>
#include <lamina/autograd/kernels/transcendental.hpp>
#include <numbers>

namespace lamina::kernels {

namespace {

// Both halves avoid the exponential of a large number.
template <Scalar T>
T logistic(T x) {
  const T e = std::exp(-std::abs(x));
  return (x < 0 ? e : T{1}) / (1 + e);
}

template <Scalar T>
T normal_distribution(T x) {
  return T{0.5} * std::erfc(-x * (std::numbers::sqrt2_v<T> / 2));
}

template <Scalar T>
T normal_density(T x) {
  constexpr T scale = std::numbers::inv_sqrtpi_v<T> * std::numbers::sqrt2_v<T> / 2;
  return scale * std::exp(-x * x / 2);
}

template <Scalar T>
T where_gelu_bends(T x) {
  return std::clamp(x, T{-kGeluBends}, T{kGeluBends});
}

// sqrt(2 / pi), and the coefficient of the cubic term, of the usual tanh approximation.
template <Scalar T>
inline constexpr T kGeluScale = std::numbers::sqrt2_v<T>* std::numbers::inv_sqrtpi_v<T>;
template <Scalar T>
inline constexpr T kGeluCubic = T(0.044715);

template <Scalar T>
T gelu_tanh_argument(T x) {
  return kGeluScale<T> * (x + kGeluCubic<T> * x * x * x);
}

}  // namespace

template <Scalar T>
Tensor<T> exp(const Tensor<T>& x) {
  return map(x, [](T v) { return std::exp(v); });
}

template <Scalar T>
Tensor<T> expm1(const Tensor<T>& x) {
  return map(x, [](T v) { return std::expm1(v); });
}

template <Scalar T>
Tensor<T> log(const Tensor<T>& x) {
  return map(x, [](T v) { return std::log(v); });
}

template <Scalar T>
Tensor<T> log1p(const Tensor<T>& x) {
  return map(x, [](T v) { return std::log1p(v); });
}

template <Scalar T>
Tensor<T> erf(const Tensor<T>& x) {
  return map(x, [](T v) { return std::erf(v); });
}

template <Scalar T>
Tensor<T> sin(const Tensor<T>& x) {
  return map(x, [](T v) { return std::sin(v); });
}

template <Scalar T>
Tensor<T> cos(const Tensor<T>& x) {
  return map(x, [](T v) { return std::cos(v); });
}

template <Scalar T>
Tensor<T> tanh(const Tensor<T>& x) {
  return map(x, [](T v) { return std::tanh(v); });
}

template <Scalar T>
Tensor<T> sigmoid(const Tensor<T>& x) {
  return map(x, [](T v) { return logistic(v); });
}

template <Scalar T>
Tensor<T> softplus(const Tensor<T>& x) {
  return map(x, [](T v) { return (v <= 0 ? T{0} : v) + std::log1p(std::exp(-std::abs(v))); });
}

template <Scalar T>
Tensor<T> relu(const Tensor<T>& x, T slope) {
  if (slope == T{0}) return map(x, [](T v) { return v <= 0 ? T{0} : v; });
  return map(x, [=](T v) { return v <= 0 ? slope * v : v; });
}

template <Scalar T>
Tensor<T> elu(const Tensor<T>& x, T alpha) {
  return map(x, [=](T v) { return v > 0 ? v : alpha * std::expm1(v); });
}

template <Scalar T>
Tensor<T> gelu(const Tensor<T>& x) {
  return map(x, [](T v) { return v * normal_distribution(v); });
}

template <Scalar T>
Tensor<T> gelu_tanh(const Tensor<T>& x) {
  return map(x, [](T v) { return T{0.5} * v * (1 + std::tanh(gelu_tanh_argument(v))); });
}

template <Scalar T>
Tensor<T> silu(const Tensor<T>& x) {
  return map(x, [](T v) { return v * logistic(v); });
}

template <Scalar T>
Tensor<T> tanh_gradient(const Tensor<T>& g, const Tensor<T>& y) {
  return zip(
      "tanh", [](T u, T v) { return u * (1 - v * v); }, g, y);
}

template <Scalar T>
Tensor<T> sigmoid_gradient(const Tensor<T>& g, const Tensor<T>& y) {
  return zip(
      "sigmoid", [](T u, T v) { return u * v * (1 - v); }, g, y);
}

template <Scalar T>
Tensor<T> softplus_gradient(const Tensor<T>& g, const Tensor<T>& x) {
  return zip(
      "softplus", [](T u, T v) { return u * logistic(v); }, g, x);
}

template <Scalar T>
Tensor<T> elu_gradient(const Tensor<T>& g, const Tensor<T>& x, T alpha) {
  return zip(
      "elu", [=](T u, T v) { return v > 0 ? u : u * alpha * std::exp(v); }, g, x);
}

template <Scalar T>
Tensor<T> gelu_gradient(const Tensor<T>& g, const Tensor<T>& x) {
  return zip(
      "gelu",
      [](T u, T v) {
        const T bent = where_gelu_bends(v);
        return u * (normal_distribution(bent) + bent * normal_density(bent));
      },
      g, x);
}

template <Scalar T>
Tensor<T> gelu_tanh_gradient(const Tensor<T>& g, const Tensor<T>& x) {
  return zip(
      "gelu",
      [](T u, T v) {
        const T bent = where_gelu_bends(v);
        const T t = std::tanh(gelu_tanh_argument(bent));
        const T inner = kGeluScale<T> * (1 + 3 * kGeluCubic<T> * bent * bent);
        return u * T{0.5} * (1 + t + bent * (1 - t * t) * inner);
      },
      g, x);
}

template <Scalar T>
Tensor<T> silu_gradient(const Tensor<T>& g, const Tensor<T>& x) {
  return zip(
      "silu",
      [](T u, T v) {
        const T s = logistic(v);
        return u * s * (1 + v * (1 - s));
      },
      g, x);
}

#define LAMINA_TRANSCENDENTAL(T)                                             \
  template Tensor<T> exp(const Tensor<T>&);                                  \
  template Tensor<T> expm1(const Tensor<T>&);                                \
  template Tensor<T> log(const Tensor<T>&);                                  \
  template Tensor<T> log1p(const Tensor<T>&);                                \
  template Tensor<T> erf(const Tensor<T>&);                                  \
  template Tensor<T> sin(const Tensor<T>&);                                  \
  template Tensor<T> cos(const Tensor<T>&);                                  \
  template Tensor<T> tanh(const Tensor<T>&);                                 \
  template Tensor<T> sigmoid(const Tensor<T>&);                              \
  template Tensor<T> softplus(const Tensor<T>&);                             \
  template Tensor<T> relu(const Tensor<T>&, T);                              \
  template Tensor<T> elu(const Tensor<T>&, T);                               \
  template Tensor<T> gelu(const Tensor<T>&);                                 \
  template Tensor<T> gelu_tanh(const Tensor<T>&);                            \
  template Tensor<T> silu(const Tensor<T>&);                                 \
  template Tensor<T> tanh_gradient(const Tensor<T>&, const Tensor<T>&);      \
  template Tensor<T> sigmoid_gradient(const Tensor<T>&, const Tensor<T>&);   \
  template Tensor<T> softplus_gradient(const Tensor<T>&, const Tensor<T>&);  \
  template Tensor<T> elu_gradient(const Tensor<T>&, const Tensor<T>&, T);    \
  template Tensor<T> gelu_gradient(const Tensor<T>&, const Tensor<T>&);      \
  template Tensor<T> gelu_tanh_gradient(const Tensor<T>&, const Tensor<T>&); \
  template Tensor<T> silu_gradient(const Tensor<T>&, const Tensor<T>&);
LAMINA_TRANSCENDENTAL(float)
LAMINA_TRANSCENDENTAL(double)
#undef LAMINA_TRANSCENDENTAL

}  // namespace lamina::kernels
