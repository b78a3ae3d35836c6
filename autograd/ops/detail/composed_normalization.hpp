// The derivatives of normalization.hpp from ops on variables: what a recorded backward pass uses,
// so that derivatives of any order exist, and the oracle of the fused form.
//
// Both read the saved variables (x, scale) of their node and add the gradients of x, scale and
// offset; `offset` is the shape of the third, undefined where there is none.
#pragma once

#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/moments.hpp>

namespace lamina::detail {

// Mean and deviation are recomputed from x, never constants. `gradient` is that of the normalized
// values: the node's own, unless it does more than to normalize.
template <Scalar T>
void composed_batch_gradient(Backward<T>& b, const Variable<T>& gradient,
                             const MeasuredBatch<T>& batch, const Shape& offset, double epsilon);

// Mean and deviation are constants.
template <Scalar T>
void composed_given_gradient(Backward<T>& b, const NormLayout& layout, const Moments& moments,
                             const Shape& offset, double epsilon);

}  // namespace lamina::detail
