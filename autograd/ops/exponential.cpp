#include <lamina/autograd/kernels/transcendental.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <numbers>

namespace lamina {

template <Scalar T>
Variable<T> exp(const Variable<T>& x) {
  return record<T>("exp", {x}, kernels::exp(x.value()), save_output,
                   [](Backward<T>& b) { b.add(0, b.gradient() * b.output()); });
}

template <Scalar T>
Variable<T> expm1(const Variable<T>& x) {
  return record<T>("expm1", {x}, kernels::expm1(x.value()), save_output,
                   [](Backward<T>& b) { b.add(0, b.gradient() * (b.output() + 1)); });
}

template <Scalar T>
Variable<T> log(const Variable<T>& x) {
  return record<T>("log", {x}, kernels::log(x.value()), save(x),
                   [](Backward<T>& b) { b.add(0, b.gradient() / b.saved(0)); });
}

template <Scalar T>
Variable<T> log1p(const Variable<T>& x) {
  return record<T>("log1p", {x}, kernels::log1p(x.value()), save(x),
                   [](Backward<T>& b) { b.add(0, b.gradient() / (b.saved(0) + 1)); });
}

template <Scalar T>
Variable<T> erf(const Variable<T>& x) {
  return record<T>("erf", {x}, kernels::erf(x.value()), save(x), [](Backward<T>& b) {
    const T scale = 2 * std::numbers::inv_sqrtpi_v<T>;
    b.add(0, b.gradient() * (scale * exp(-square(b.saved(0)))));
  });
}

template <Scalar T>
Variable<T> sin(const Variable<T>& x) {
  return record<T>("sin", {x}, kernels::sin(x.value()), save(x),
                   [](Backward<T>& b) { b.add(0, b.gradient() * cos(b.saved(0))); });
}

template <Scalar T>
Variable<T> cos(const Variable<T>& x) {
  return record<T>("cos", {x}, kernels::cos(x.value()), save(x),
                   [](Backward<T>& b) { b.add(0, b.gradient() * -sin(b.saved(0))); });
}

template <Scalar T>
Variable<T> tanh(const Variable<T>& x) {
  return record<T>("tanh", {x}, kernels::tanh(x.value()), save_output, [](Backward<T>& b) {
    const Variable<T>& y = b.output();
    if (b.with_graph()) {
      b.add(0, b.gradient() * (1 - square(y)));
    } else {
      b.add(0, kernels::tanh_gradient(b.gradient().value(), y.value()));
    }
  });
}

template <Scalar T>
Variable<T> sigmoid(const Variable<T>& x) {
  return record<T>("sigmoid", {x}, kernels::sigmoid(x.value()), save_output, [](Backward<T>& b) {
    const Variable<T>& y = b.output();
    if (b.with_graph()) {
      b.add(0, b.gradient() * (y * (1 - y)));
    } else {
      b.add(0, kernels::sigmoid_gradient(b.gradient().value(), y.value()));
    }
  });
}

template <Scalar T>
Variable<T> softplus(const Variable<T>& x) {
  return record<T>("softplus", {x}, kernels::softplus(x.value()), save(x), [](Backward<T>& b) {
    if (b.with_graph()) {
      b.add(0, b.gradient() * sigmoid(b.saved(0)));
    } else {
      b.add(0, kernels::softplus_gradient(b.gradient().value(), b.saved(0).value()));
    }
  });
}

#define LAMINA_EXPONENTIAL(T)                       \
  template Variable<T> exp(const Variable<T>&);     \
  template Variable<T> expm1(const Variable<T>&);   \
  template Variable<T> log(const Variable<T>&);     \
  template Variable<T> log1p(const Variable<T>&);   \
  template Variable<T> erf(const Variable<T>&);     \
  template Variable<T> sin(const Variable<T>&);     \
  template Variable<T> cos(const Variable<T>&);     \
  template Variable<T> tanh(const Variable<T>&);    \
  template Variable<T> sigmoid(const Variable<T>&); \
  template Variable<T> softplus(const Variable<T>&);
LAMINA_EXPONENTIAL(float)
LAMINA_EXPONENTIAL(double)
#undef LAMINA_EXPONENTIAL

}  // namespace lamina
