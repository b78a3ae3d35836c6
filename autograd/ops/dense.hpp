// The affine map of a dense layer, and a ReLU behind it, as one op.
//
//   y[..., u] = after(sum_f x[..., f] kernel[f, u] + bias[u])
//
//   x (..., features), at least 2 axes;  kernel (features, units);  bias (units), or undefined: 0;
//   y (..., units)
//
// Bias and ReLU are computed while the tile of the product that they belong to lies in the cache;
// the numbers are those of matmul, add and relu one by one. The ReLU's derivative at 0 is 0.
// Errors: ShapeError for other shapes. Thread-safety: as Variable.
#pragma once

#include <lamina/autograd/variable.hpp>

namespace lamina {

enum class AfterDense : std::uint8_t { nothing, relu };

template <Scalar T>
Variable<T> dense(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& bias,
                  AfterDense after = AfterDense::nothing);

}  // namespace lamina
