// Activation functions that are not plain functions of <cmath>, element by element, with
// derivatives of any order. At their kinks the derivative is the one from the left: relu(0) has
// gradient 0. (tanh, sigmoid and softplus stand in exponential.hpp, softmax in softmax.hpp.)
// Thread-safety: as Variable.
#pragma once

#include <lamina/autograd/variable.hpp>
#include <type_traits>

namespace lamina {

template <Scalar T>
Variable<T> relu(const Variable<T>& x);  // max(x, 0)

// x for x > 0, negative_slope * x elsewhere.
template <Scalar T>
Variable<T> leaky_relu(const Variable<T>& x, std::type_identity_t<T> negative_slope);

// x for x > 0, alpha * (exp(x) - 1) elsewhere.
template <Scalar T>
Variable<T> elu(const Variable<T>& x, std::type_identity_t<T> alpha = 1);

// x * P(N(0, 1) <= x), by erf, or by the tanh formula of Hendrycks and Gimpel (arXiv:1606.08415).
template <Scalar T>
Variable<T> gelu(const Variable<T>& x, bool approximate = false);

// x * sigmoid(x), also called swish.
template <Scalar T>
Variable<T> silu(const Variable<T>& x);

}  // namespace lamina
