// Arithmetic on variables, element by element, with NumPy's broadcasting and derivatives of any
// order.
//
//   auto y = (2.0 * x - 1) / (square(x) + epsilon);     // numbers convert to the variable's type
//
// A tensor in place of an operand is a constant. Errors: ShapeError when operands do not broadcast.
// Thread-safety: as Variable.
#pragma once

#include <lamina/autograd/variable.hpp>
#include <type_traits>

namespace lamina {

// sum += addend, same shapes (else ShapeError); writes in place where `sum` alone owns its storage.
template <Scalar T>
void add_in_place(Tensor<T>& sum, const Tensor<T>& addend);

template <Scalar T>
Variable<T> add(const Variable<T>& a, const Variable<T>& b);
template <Scalar T>
Variable<T> subtract(const Variable<T>& a, const Variable<T>& b);
template <Scalar T>
Variable<T> multiply(const Variable<T>& a, const Variable<T>& b);
template <Scalar T>
Variable<T> divide(const Variable<T>& a, const Variable<T>& b);

// The same with one number.
template <Scalar T>
Variable<T> add(const Variable<T>& x, std::type_identity_t<T> addend);
template <Scalar T>
Variable<T> multiply(const Variable<T>& x, std::type_identity_t<T> factor);
template <Scalar T>
Variable<T> subtract(std::type_identity_t<T> minuend, const Variable<T>& x);
template <Scalar T>
Variable<T> divide(const Variable<T>& x, std::type_identity_t<T> divisor);
template <Scalar T>
Variable<T> divide(std::type_identity_t<T> dividend, const Variable<T>& x);

// base ^ exponent. The derivative with respect to the base is 0 where the exponent is 0, also at
// base 0; the one with respect to the exponent is 0 at base 0.
template <Scalar T>
Variable<T> pow(const Variable<T>& base, const Variable<T>& exponent);
template <Scalar T>
Variable<T> pow(const Variable<T>& base, std::type_identity_t<T> exponent);

template <Scalar T>
Variable<T> negate(const Variable<T>& x);
template <Scalar T>
Variable<T> abs(const Variable<T>& x);  // derivative at 0: 0
template <Scalar T>
Variable<T> sign(const Variable<T>& x);  // of 0: 0; derivative 0
template <Scalar T>
Variable<T> square(const Variable<T>& x);
template <Scalar T>
Variable<T> sqrt(const Variable<T>& x);
template <Scalar T>
Variable<T> rsqrt(const Variable<T>& x);  // 1 / sqrt(x)
template <Scalar T>
Variable<T> reciprocal(const Variable<T>& x);

template <Scalar T>
Variable<T> operator-(const Variable<T>& x) {
  return negate(x);
}

#define LAMINA_OPERATOR(symbol, function)                                   \
  template <Scalar T>                                                       \
  Variable<T> operator symbol(const Variable<T>& a, const Variable<T>& b) { \
    return function(a, b);                                                  \
  }                                                                         \
  template <Scalar T>                                                       \
  Variable<T> operator symbol(const Variable<T>& a, const Tensor<T>& b) {   \
    return function(a, Variable<T>(b));                                     \
  }                                                                         \
  template <Scalar T>                                                       \
  Variable<T> operator symbol(const Tensor<T>& a, const Variable<T>& b) {   \
    return function(Variable<T>(a), b);                                     \
  }
LAMINA_OPERATOR(+, add)
LAMINA_OPERATOR(-, subtract)
LAMINA_OPERATOR(*, multiply)
LAMINA_OPERATOR(/, divide)
#undef LAMINA_OPERATOR

template <Scalar T>
Variable<T> operator+(const Variable<T>& x, std::type_identity_t<T> number) {
  return add(x, number);
}
template <Scalar T>
Variable<T> operator+(std::type_identity_t<T> number, const Variable<T>& x) {
  return add(x, number);
}
template <Scalar T>
Variable<T> operator-(const Variable<T>& x, std::type_identity_t<T> number) {
  return add(x, -number);
}
template <Scalar T>
Variable<T> operator-(std::type_identity_t<T> number, const Variable<T>& x) {
  return subtract(number, x);
}
template <Scalar T>
Variable<T> operator*(const Variable<T>& x, std::type_identity_t<T> number) {
  return multiply(x, number);
}
template <Scalar T>
Variable<T> operator*(std::type_identity_t<T> number, const Variable<T>& x) {
  return multiply(x, number);
}
template <Scalar T>
Variable<T> operator/(const Variable<T>& x, std::type_identity_t<T> number) {
  return divide(x, number);
}
template <Scalar T>
Variable<T> operator/(std::type_identity_t<T> number, const Variable<T>& x) {
  return divide(number, x);
}

}  // namespace lamina
