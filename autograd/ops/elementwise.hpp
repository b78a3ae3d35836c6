// Element-wise arithmetic on variables, with NumPy's broadcasting.
#pragma once

#include <lamina/autograd/variable.hpp>

namespace lamina {

// sum += addend, same shapes; writes in place where `sum` alone owns its storage.
template <Scalar T>
void add_in_place(Tensor<T>& sum, const Tensor<T>& addend);

template <Scalar T>
Variable<T> add(const Variable<T>& a, const Variable<T>& b);

}  // namespace lamina
