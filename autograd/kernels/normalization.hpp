// Kernels of the normalizations, on raw arrays in a NormLayout: what comes after the moments
// (moments.hpp).
//
// The mean is subtracted in two parts (high + low), so that float keeps every digit that the input
// had. Sums run over blocks in the tensor's type, over the blocks in double.
//
// Arrays named by (group, channel) hold layout.statistics() entries. Weights are those of moments.hpp;
// null stands for 1 everywhere. Results do not depend on the number of threads. Nothing is allocated
// from the system in a steady state.
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/tensor/scalar.hpp>

namespace lamina::kernels {

// sum(dy) and sum(dy (x - mean)) by (group, channel) over all places, unweighted. An x whose dy is 0
// is not looked at, nor one of weight 0 that is not finite.
template <Scalar T>
void gradient_sums(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                   const double* mean, double* sum_dy, double* sum_dy_centred,
                   InstructionSet level = instruction_set());

// y = (x - mean) * scale + offset, coefficients by (group, channel).
template <Scalar T>
void scale_centred(const T* x, const NormLayout& layout, const double* mean, const double* scale,
                   const double* offset, T* y, InstructionSet level = instruction_set());

// dx = (dy - w ((x - mean) b + c)) a, coefficients by (group, channel).
template <Scalar T>
void combine_gradient(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                      const double* mean, const double* a, const double* b, const double* c, T* dx,
                      InstructionSet level = instruction_set());

}  // namespace lamina::kernels
