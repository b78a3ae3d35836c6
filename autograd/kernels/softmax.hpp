// Softmax and its relatives over any set of axes (a bit mask, Axes::mask). The maximum is taken out
// before the exponential, so arguments of any size are safe; a row of -infinity gives NaN for
// softmax and -infinity for logsumexp.
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

// Keeps the reduced axes with extent 1.
template <Scalar T>
Tensor<T> logsumexp(const Tensor<T>& x, unsigned mask);
template <Scalar T>
Tensor<T> softmax(const Tensor<T>& x, unsigned mask);
template <Scalar T>
Tensor<T> log_softmax(const Tensor<T>& x, unsigned mask);

// y * (g - sum(g * y)), where y is the softmax.
template <Scalar T>
Tensor<T> softmax_gradient(const Tensor<T>& g, const Tensor<T>& y, unsigned mask);

}  // namespace lamina::kernels
