// Kernels of the normalizations, on raw arrays in a NormLayout: what comes after the moments
// (moments.hpp) and the coefficients (norm_coefficients.hpp).
//
// Sums run over blocks in the tensor's type, over the blocks in double. Arrays named by (group,
// channel) hold layout.statistics() entries. Weights are those of moments.hpp; null stands for 1
// everywhere. Results do not depend on the number of threads. Nothing is allocated from the system
// in a steady state.
//
// Where `rectified`, a ReLU comes behind y and is computed in the same pass: its derivative lets dy
// through where y > 0 or is NaN. Only without weights, and where can_rectify<T>(level).
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/norm_coefficients.hpp>
#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/tensor/scalar.hpp>

namespace lamina::kernels {

template <Scalar T>
bool can_rectify(InstructionSet level = instruction_set());

// sum(dy) and sum(dy (x - mean)) by (group, channel) over all places, unweighted; `of` are the
// coefficients of y. An x whose dy is 0 is not looked at, nor one of weight 0 that is not finite.
template <Scalar T>
void gradient_sums(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                   const double* mean, const CentredScaling<T>& of, double* sum_dy,
                   double* sum_dy_centred, InstructionSet level = instruction_set(),
                   bool rectified = false);

// y of x, or the ReLU of it.
template <Scalar T>
void scale_centred(const T* x, const NormLayout& layout, const CentredScaling<T>& of, T* y,
                   InstructionSet level = instruction_set(), bool rectified = false);

// dx of x and dy.
template <Scalar T>
void combine_gradient(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                      const CentredScaling<T>& of, const GradientScaling<T>& through, T* dx,
                      InstructionSet level = instruction_set(), bool rectified = false);

}  // namespace lamina::kernels
