// What the normalizations multiply by and add, by (group, channel), in the tensor's type.
//
//   y  = (x - mean) factor + offset               = (x - high) factor + constant,  high = T(mean)
//   dx = (dy - w ((x - mean) of_x + share)) factor, x - mean taken apart in the same way
//
// The mean is subtracted in two parts: what its rounding leaves of it is in the constants. So float
// keeps every digit that x had. All is computed in double and rounded once, in one pass: small
// ghost batches have nearly as many coefficients as values.
//
// Arrays named by (group, channel) hold layout.statistics() entries, by channel layout.channels.
// Nothing is allocated from the system in a steady state. Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

// Of y.
template <Scalar T>
struct CentredScaling {
  Tensor<T> high, factor, constant;

  // y = x factor.
  CentredScaling derivative() const {
    const Tensor<T> zeros(high.shape(), T{0});
    return {zeros, factor, zeros};
  }
};

// factor = scale / sqrt(variance + epsilon), 0 where that root is 0; scale and offset by channel.
// `inverse` is what the scale was multiplied by.
template <Scalar T>
CentredScaling<T> centred_scaling(const NormLayout& layout, const double* mean,
                                  const double* variance, double epsilon, const double* scale,
                                  const double* offset, double* inverse,
                                  InstructionSet level = instruction_set());

// Of dx, beside those of its y.
template <Scalar T>
struct GradientScaling {
  Tensor<T> of_x, constant;
};

// of_x = inverse^2 sum(dy (x - mean)) / count, share = sum(dy) / count; count by group, where it is
// 0 so are both.
template <Scalar T>
GradientScaling<T> gradient_scaling(const NormLayout& layout, const double* mean,
                                    const double* inverse, const double* count,
                                    const double* sum_dy, const double* sum_dy_centred,
                                    InstructionSet level = instruction_set());

}  // namespace lamina::kernels
