// The derivatives of ReLU and max pooling as linear ops on the gradient alone, for fused ops: what
// they do with it depends on a value that is a constant to them, so they are their own derivatives'
// adjoints.
#pragma once

#include <lamina/autograd/ops/pooling.hpp>

namespace lamina::detail {

// dy where the guide is positive, slope * dy elsewhere (activation.cpp).
template <Scalar T>
Variable<T> relu_gradient(const Variable<T>& dy, const Tensor<T>& guide, T slope);

// dy at the winners of the windows of x, 0 elsewhere (pooling.cpp).
template <Scalar T>
Variable<T> max_pool_gradient(const Variable<T>& dy, const Tensor<T>& x,
                              const PoolingOptions& options);

}  // namespace lamina::detail
