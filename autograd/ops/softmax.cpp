#include <lamina/autograd/kernels/softmax.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/ops/softmax.hpp>

namespace lamina {

template <Scalar T>
Variable<T> logsumexp(const Variable<T>& x, const Axes& axes, bool keepdims) {
  const unsigned mask = axes.mask(x.rank(), "logsumexp");
  const Shape kept = reduced_shape(x.shape(), mask, true);
  return record<T>(
      "logsumexp", {x},
      kernels::logsumexp(x.value(), mask).reshaped(reduced_shape(x.shape(), mask, keepdims)),
      with_output(save(x)), [kept](Backward<T>& b) {
        const Variable<T> shares = exp(b.saved(0) - reshape(b.output(), kept));
        b.add(0, reshape(b.gradient(), kept) * shares);
      });
}

template <Scalar T>
Variable<T> softmax(const Variable<T>& x, const Axes& axes) {
  const unsigned mask = axes.mask(x.rank(), "softmax");
  return record<T>("softmax", {x}, kernels::softmax(x.value(), mask), save_output,
                   [axes, mask](Backward<T>& b) {
                     const Variable<T>&y = b.output(), &g = b.gradient();
                     if (b.with_graph()) {
                       b.add(0, y * (g - sum(g * y, axes, true)));
                     } else {
                       b.add(0, kernels::softmax_gradient(g.value(), y.value(), mask));
                     }
                   });
}

template <Scalar T>
Variable<T> log_softmax(const Variable<T>& x, const Axes& axes) {
  const unsigned mask = axes.mask(x.rank(), "log_softmax");
  return record<T>("log_softmax", {x}, kernels::log_softmax(x.value(), mask), save_output,
                   [axes](Backward<T>& b) {
                     const Variable<T>& g = b.gradient();
                     b.add(0, g - exp(b.output()) * sum(g, axes, true));
                   });
}

#define LAMINA_SOFTMAX(T)                                                \
  template Variable<T> logsumexp(const Variable<T>&, const Axes&, bool); \
  template Variable<T> softmax(const Variable<T>&, const Axes&);         \
  template Variable<T> log_softmax(const Variable<T>&, const Axes&);
LAMINA_SOFTMAX(float)
LAMINA_SOFTMAX(double)
#undef LAMINA_SOFTMAX

}  // namespace lamina
