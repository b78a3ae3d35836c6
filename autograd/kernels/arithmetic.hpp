// Arithmetic on tensors, element by element. Two operands broadcast as in NumPy; ShapeError naming
// the op where they cannot. Nothing here knows derivatives.
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

template <Scalar T>
Tensor<T> add(const Tensor<T>& a, const Tensor<T>& b);
template <Scalar T>
Tensor<T> subtract(const Tensor<T>& a, const Tensor<T>& b);
template <Scalar T>
Tensor<T> multiply(const Tensor<T>& a, const Tensor<T>& b);
template <Scalar T>
Tensor<T> divide(const Tensor<T>& a, const Tensor<T>& b);

template <Scalar T>
Tensor<T> add(const Tensor<T>& x, T addend);
template <Scalar T>
Tensor<T> multiply(const Tensor<T>& x, T factor);
template <Scalar T>
Tensor<T> divide(const Tensor<T>& x, T divisor);
template <Scalar T>
Tensor<T> subtract_from(const Tensor<T>& x, T minuend);  // minuend - x
template <Scalar T>
Tensor<T> divide_into(const Tensor<T>& x, T dividend);  // dividend / x

// sum += addend, same shapes; in place where `sum` alone owns its storage.
template <Scalar T>
void add_in_place(Tensor<T>& sum, const Tensor<T>& addend);

template <Scalar T>
Tensor<T> negate(const Tensor<T>& x);
template <Scalar T>
Tensor<T> abs(const Tensor<T>& x);
template <Scalar T>
Tensor<T> sign(const Tensor<T>& x);  // of 0: 0; of NaN: NaN
template <Scalar T>
Tensor<T> is_zero(const Tensor<T>& x);  // 1 where x is 0, else 0
template <Scalar T>
Tensor<T> square(const Tensor<T>& x);
template <Scalar T>
Tensor<T> sqrt(const Tensor<T>& x);
template <Scalar T>
Tensor<T> rsqrt(const Tensor<T>& x);
template <Scalar T>
Tensor<T> reciprocal(const Tensor<T>& x);

// std::pow, element by element; small whole exponents by multiplication.
template <Scalar T>
Tensor<T> pow(const Tensor<T>& base, const Tensor<T>& exponent);
template <Scalar T>
Tensor<T> pow(const Tensor<T>& base, T exponent);

}  // namespace lamina::kernels
