// Exponential, logarithmic, trigonometric and sigmoid functions of variables, element by element,
// with derivatives of any order. None of them throws; a value outside the domain is NaN, as in
// <cmath>. Thread-safety: as Variable.
#pragma once

#include <lamina/autograd/variable.hpp>

namespace lamina {

template <Scalar T>
Variable<T> exp(const Variable<T>& x);
template <Scalar T>
Variable<T> expm1(const Variable<T>& x);  // exp(x) - 1
template <Scalar T>
Variable<T> log(const Variable<T>& x);
template <Scalar T>
Variable<T> log1p(const Variable<T>& x);  // log(1 + x)
template <Scalar T>
Variable<T> erf(const Variable<T>& x);
template <Scalar T>
Variable<T> sin(const Variable<T>& x);
template <Scalar T>
Variable<T> cos(const Variable<T>& x);
template <Scalar T>
Variable<T> tanh(const Variable<T>& x);
template <Scalar T>
Variable<T> sigmoid(const Variable<T>& x);  // 1 / (1 + exp(-x))
template <Scalar T>
Variable<T> softplus(const Variable<T>& x);  // log(1 + exp(x)), exact for large |x|

}  // namespace lamina
