// Ops that choose by integer indices. Derivatives of any order with respect to the values.
// Indices lie in [0, extent), else ArgumentError naming the first that does not. Thread-safety: as
// Variable.
#pragma once

#include <cstdint>
#include <lamina/autograd/variable.hpp>

namespace lamina {

// The slices of x along `axis` that the indices name:
//   x (a..., n, b...), indices (i...) -> (a..., i..., b...)
template <Scalar T>
Variable<T> gather(const Variable<T>& x, const Tensor<std::int64_t>& indices, int axis = 0);

// The adjoint of gather: zeros with x's shape, to which every slice of `updates` is added at its
// index; of equal indices the sum is taken in order.
//   updates (a..., i..., b...), indices (i...) -> (a..., extent, b...)
template <Scalar T>
Variable<T> scatter_add(const Variable<T>& updates, const Tensor<std::int64_t>& indices,
                        std::int64_t extent, int axis = 0);

// 1 where the last axis equals the index, else 0: indices (i...) -> (i..., classes). A constant.
template <Scalar T>
Tensor<T> one_hot(const Tensor<std::int64_t>& indices, std::int64_t classes);

}  // namespace lamina
