// Exponential, trigonometric and activation functions of tensors, element by element, and the
// products g * f'(x) that their derivatives need, in one pass.
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

template <Scalar T>
Tensor<T> exp(const Tensor<T>& x);
template <Scalar T>
Tensor<T> expm1(const Tensor<T>& x);
template <Scalar T>
Tensor<T> log(const Tensor<T>& x);
template <Scalar T>
Tensor<T> log1p(const Tensor<T>& x);
template <Scalar T>
Tensor<T> erf(const Tensor<T>& x);
template <Scalar T>
Tensor<T> sin(const Tensor<T>& x);
template <Scalar T>
Tensor<T> cos(const Tensor<T>& x);
template <Scalar T>
Tensor<T> tanh(const Tensor<T>& x);
template <Scalar T>
Tensor<T> sigmoid(const Tensor<T>& x);  // 1 / (1 + exp(-x))
template <Scalar T>
Tensor<T> softplus(const Tensor<T>& x);  // log(1 + exp(x)) without overflow

template <Scalar T>
Tensor<T> relu(const Tensor<T>& x, T slope);  // x for x > 0, slope * x elsewhere
template <Scalar T>
Tensor<T> elu(const Tensor<T>& x, T alpha);  // x for x > 0, alpha * (exp(x) - 1) elsewhere
// Beyond, on either side, gelu's slope is 0 or 1 to the last bit, and its terms 0 times infinity.
inline constexpr int kGeluBends = 40;
template <Scalar T>
Tensor<T> gelu(const Tensor<T>& x);  // x * normal distribution function(x)
template <Scalar T>
Tensor<T> gelu_tanh(const Tensor<T>& x);
template <Scalar T>
Tensor<T> silu(const Tensor<T>& x);  // x * sigmoid(x)

// g * f'(x), from the output y or the input x; all of one shape.
template <Scalar T>
Tensor<T> tanh_gradient(const Tensor<T>& g, const Tensor<T>& y);
template <Scalar T>
Tensor<T> sigmoid_gradient(const Tensor<T>& g, const Tensor<T>& y);
template <Scalar T>
Tensor<T> softplus_gradient(const Tensor<T>& g, const Tensor<T>& x);
template <Scalar T>
Tensor<T> elu_gradient(const Tensor<T>& g, const Tensor<T>& x, T alpha);
template <Scalar T>
Tensor<T> gelu_gradient(const Tensor<T>& g, const Tensor<T>& x);
template <Scalar T>
Tensor<T> gelu_tanh_gradient(const Tensor<T>& g, const Tensor<T>& x);
template <Scalar T>
Tensor<T> silu_gradient(const Tensor<T>& g, const Tensor<T>& x);

}  // namespace lamina::kernels
