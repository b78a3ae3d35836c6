#include <lamina/autograd/kernels/arithmetic.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/selection.hpp>

namespace lamina {

namespace {

// What a product keeps of one factor: it is needed for the gradient of the other only.
template <Scalar T>
const Variable<T>& if_tracked(const Variable<T>& other, const Variable<T>& factor) {
  static const Variable<T> nothing;
  return other.tracked() ? factor : nothing;
}

// Adds to input i what arrived for the broadcast result.
template <Scalar T>
void add_summed(Backward<T>& b, int i, Variable<T> gradient) {
  if (gradient.shape() == b.input_shape(i)) {
    b.add(i, std::move(gradient));
  } else {
    b.add(i, sum_to(gradient, b.input_shape(i)));
  }
}

}  // namespace

template <Scalar T>
void add_in_place(Tensor<T>& sum, const Tensor<T>& addend) {
  kernels::add_in_place(sum, addend);
}

template <Scalar T>
Variable<T> add(const Variable<T>& a, const Variable<T>& b) {
  return record<T>("add", {a, b}, kernels::add(a.value(), b.value()), save_nothing,
                   [](Backward<T>& b) {
                     if (b.wants(0))
                       add_summed(b, 0, b.wants(1) ? b.gradient() : b.take_gradient());
                     if (b.wants(1)) add_summed(b, 1, b.take_gradient());
                   });
}

template <Scalar T>
Variable<T> subtract(const Variable<T>& a, const Variable<T>& b) {
  return record<T>("subtract", {a, b}, kernels::subtract(a.value(), b.value()), save_nothing,
                   [](Backward<T>& b) {
                     if (b.wants(0)) add_summed(b, 0, b.gradient());
                     if (b.wants(1)) add_summed(b, 1, -b.gradient());
                   });
}

template <Scalar T>
Variable<T> multiply(const Variable<T>& a, const Variable<T>& b) {
  return record<T>("multiply", {a, b}, kernels::multiply(a.value(), b.value()),
                   save(if_tracked(b, a), if_tracked(a, b)), [](Backward<T>& b) {
                     if (b.wants(0)) add_summed(b, 0, b.gradient() * b.saved(1));
                     if (b.wants(1)) add_summed(b, 1, b.gradient() * b.saved(0));
                   });
}

template <Scalar T>
Variable<T> divide(const Variable<T>& a, const Variable<T>& b) {
  return record<T>("divide", {a, b}, kernels::divide(a.value(), b.value()), with_output(save(b)),
                   [](Backward<T>& b) {
                     const Variable<T> quotient = b.gradient() / b.saved(0);
                     if (b.wants(0)) add_summed(b, 0, quotient);
                     if (b.wants(1)) add_summed(b, 1, -(quotient * b.output()));
                   });
}

template <Scalar T>
Variable<T> add(const Variable<T>& x, std::type_identity_t<T> addend) {
  return record<T>("add", {x}, kernels::add(x.value(), addend), save_nothing,
                   [](Backward<T>& b) { b.add(0, b.take_gradient()); });
}

template <Scalar T>
Variable<T> multiply(const Variable<T>& x, std::type_identity_t<T> factor) {
  return record<T>("multiply", {x}, kernels::multiply(x.value(), factor), save_nothing,
                   [factor](Backward<T>& b) { b.add(0, b.gradient() * factor); });
}

template <Scalar T>
Variable<T> subtract(std::type_identity_t<T> minuend, const Variable<T>& x) {
  return record<T>("subtract", {x}, kernels::subtract_from(x.value(), minuend), save_nothing,
                   [](Backward<T>& b) { b.add(0, -b.gradient()); });
}

template <Scalar T>
Variable<T> divide(const Variable<T>& x, std::type_identity_t<T> divisor) {
  return record<T>("divide", {x}, kernels::divide(x.value(), divisor), save_nothing,
                   [divisor](Backward<T>& b) { b.add(0, b.gradient() / divisor); });
}

template <Scalar T>
Variable<T> divide(std::type_identity_t<T> dividend, const Variable<T>& x) {
  return record<T>("divide", {x}, kernels::divide_into(x.value(), dividend), with_output(save(x)),
                   [](Backward<T>& b) { b.add(0, -(b.gradient() * b.output() / b.saved(0))); });
}

template <Scalar T>
Variable<T> pow(const Variable<T>& base, const Variable<T>& exponent) {
  return record<T>("pow", {base, exponent}, kernels::pow(base.value(), exponent.value()),
                   with_output(save(base, exponent)), [](Backward<T>& b) {
                     const Variable<T>&x = b.saved(0), &p = b.saved(1);
                     // At base 0 the formulas meet 0 * infinity; both are given finite operands
                     // there.
                     const Variable<T> at_zero(kernels::is_zero(x.value()));
                     if (b.wants(0)) {
                       const Variable<T> both = at_zero * Variable<T>(kernels::is_zero(p.value()));
                       add_summed(b, 0, b.gradient() * p * pow(x, p - 1 + both));
                     }
                     if (b.wants(1)) {
                       const Variable<T> zero(Tensor<T>::scalar(T{0}));
                       const Variable<T> y = where(at_zero.value().template cast<std::uint8_t>(),
                                                   zero, b.output());  // which may be infinite
                       add_summed(b, 1, b.gradient() * y * log(x + at_zero));
                     }
                   });
}

template <Scalar T>
Variable<T> pow(const Variable<T>& base, std::type_identity_t<T> exponent) {
  return record<T>("pow", {base}, kernels::pow(base.value(), exponent), save(base),
                   [exponent](Backward<T>& b) {
                     if (exponent == T{0}) return;
                     b.add(0, b.gradient() * (exponent * pow(b.saved(0), exponent - 1)));
                   });
}

template <Scalar T>
Variable<T> negate(const Variable<T>& x) {
  return record<T>("negate", {x}, kernels::negate(x.value()), save_nothing,
                   [](Backward<T>& b) { b.add(0, -b.gradient()); });
}

template <Scalar T>
Variable<T> abs(const Variable<T>& x) {
  return record<T>("abs", {x}, kernels::abs(x.value()), save(x), [](Backward<T>& b) {
    b.add(0, b.gradient() * kernels::sign(b.saved(0).value()));
  });
}

template <Scalar T>
Variable<T> sign(const Variable<T>& x) {
  return record<T>("sign", {x}, kernels::sign(x.value()), save_nothing, [](Backward<T>&) {});
}

template <Scalar T>
Variable<T> square(const Variable<T>& x) {
  return record<T>("square", {x}, kernels::square(x.value()), save(x),
                   [](Backward<T>& b) { b.add(0, b.gradient() * (T{2} * b.saved(0))); });
}

template <Scalar T>
Variable<T> sqrt(const Variable<T>& x) {
  return record<T>("sqrt", {x}, kernels::sqrt(x.value()), save_output,
                   [](Backward<T>& b) { b.add(0, b.gradient() / (T{2} * b.output())); });
}

template <Scalar T>
Variable<T> rsqrt(const Variable<T>& x) {
  return record<T>("rsqrt", {x}, kernels::rsqrt(x.value()), save_output,
                   [](Backward<T>& b) { b.add(0, b.gradient() * (T{-0.5} * pow(b.output(), 3))); });
}

template <Scalar T>
Variable<T> reciprocal(const Variable<T>& x) {
  return record<T>("reciprocal", {x}, kernels::reciprocal(x.value()), save_output,
                   [](Backward<T>& b) { b.add(0, b.gradient() * -square(b.output())); });
}

#define LAMINA_ARITHMETIC(T)                                                  \
  template void add_in_place(Tensor<T>&, const Tensor<T>&);                   \
  template Variable<T> add(const Variable<T>&, const Variable<T>&);           \
  template Variable<T> subtract(const Variable<T>&, const Variable<T>&);      \
  template Variable<T> multiply(const Variable<T>&, const Variable<T>&);      \
  template Variable<T> divide(const Variable<T>&, const Variable<T>&);        \
  template Variable<T> add(const Variable<T>&, std::type_identity_t<T>);      \
  template Variable<T> multiply(const Variable<T>&, std::type_identity_t<T>); \
  template Variable<T> subtract(std::type_identity_t<T>, const Variable<T>&); \
  template Variable<T> divide(const Variable<T>&, std::type_identity_t<T>);   \
  template Variable<T> divide(std::type_identity_t<T>, const Variable<T>&);   \
  template Variable<T> pow(const Variable<T>&, const Variable<T>&);           \
  template Variable<T> pow(const Variable<T>&, std::type_identity_t<T>);      \
  template Variable<T> negate(const Variable<T>&);                            \
  template Variable<T> abs(const Variable<T>&);                               \
  template Variable<T> sign(const Variable<T>&);                              \
  template Variable<T> square(const Variable<T>&);                            \
  template Variable<T> sqrt(const Variable<T>&);                              \
  template Variable<T> rsqrt(const Variable<T>&);                             \
  template Variable<T> reciprocal(const Variable<T>&);
LAMINA_ARITHMETIC(float)
LAMINA_ARITHMETIC(double)
#undef LAMINA_ARITHMETIC

}  // namespace lamina
