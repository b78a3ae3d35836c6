#include <cmath>
#include <lamina/autograd/kernels/arithmetic.hpp>
#include <lamina/autograd/kernels/loops.hpp>
#include <lamina/autograd/kernels/reduction.hpp>
#include <lamina/autograd/kernels/softmax.hpp>
#include <lamina/autograd/kernels/transcendental.hpp>
#include <lamina/autograd/tensor/axes.hpp>

namespace lamina::kernels {

namespace {

// The maximum, with 0 for infinities: infinity - infinity would be NaN.
template <Scalar T>
Tensor<T> finite_max(const Tensor<T>& x, unsigned mask) {
  return map(max(x, mask), [](T v) { return std::isinf(v) ? T{0} : v; });
}

}  // namespace

template <Scalar T>
Tensor<T> logsumexp(const Tensor<T>& x, unsigned mask) {
  const Tensor<T> largest = finite_max(x, mask);
  const Tensor<T> total = sum(exp(subtract(x, largest)), mask);
  return zip(
      "logsumexp", [](T m, T s) { return m + std::log(s); }, largest, total);
}

template <Scalar T>
Tensor<T> softmax(const Tensor<T>& x, unsigned mask) {
  const Tensor<T> shares = exp(subtract(x, max(x, mask)));
  return divide(shares, sum(shares, mask));
}

template <Scalar T>
Tensor<T> log_softmax(const Tensor<T>& x, unsigned mask) {
  // Two subtractions: x - (m + log(s)) would lose log(s) beside a large m.
  const Tensor<T> shifted = subtract(x, max(x, mask));
  const Tensor<T> total = sum(exp(shifted), mask);
  return zip(
      "log_softmax", [](T v, T s) { return v - s; }, shifted, log(total));
}

template <Scalar T>
Tensor<T> softmax_gradient(const Tensor<T>& g, const Tensor<T>& y, unsigned mask) {
  const Tensor<T> inner = sum(multiply(g, y), mask);
  return multiply(y, subtract(g, inner));
}

#define LAMINA_SOFTMAX(T)                                     \
  template Tensor<T> logsumexp(const Tensor<T>&, unsigned);   \
  template Tensor<T> softmax(const Tensor<T>&, unsigned);     \
  template Tensor<T> log_softmax(const Tensor<T>&, unsigned); \
  template Tensor<T> softmax_gradient(const Tensor<T>&, const Tensor<T>&, unsigned);
LAMINA_SOFTMAX(float)
LAMINA_SOFTMAX(double)
#undef LAMINA_SOFTMAX

}  // namespace lamina::kernels
