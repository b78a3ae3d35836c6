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

// A ReLU behind y = (x - mean) * scale + offset that is computed in the same pass: the derivative lets
// dy through where y > 0 or is NaN. Only without weights, and where can_rectify<T>(level).
struct Rectifier {
  const double* scale;
  const double* offset;
};

template <Scalar T>
bool can_rectify(InstructionSet level = instruction_set());

// sum(dy) and sum(dy (x - mean)) by (group, channel) over all places, unweighted. An x whose dy is 0
// is not looked at, nor one of weight 0 that is not finite.
template <Scalar T>
void gradient_sums(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                   const double* mean, double* sum_dy, double* sum_dy_centred,
                   InstructionSet level = instruction_set(), const Rectifier* rectifier = nullptr);

// y = (x - mean) * scale + offset, coefficients by (group, channel); with `rectify` the ReLU of it.
template <Scalar T>
void scale_centred(const T* x, const NormLayout& layout, const double* mean, const double* scale,
                   const double* offset, T* y, InstructionSet level = instruction_set(),
                   bool rectify = false);

// dx = (dy - w ((x - mean) b + c)) a, coefficients by (group, channel); a rectifier's scale is a.
template <Scalar T>
void combine_gradient(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                      const double* mean, const double* a, const double* b, const double* c, T* dx,
                      InstructionSet level = instruction_set(),
                      const Rectifier* rectifier = nullptr);

}  // namespace lamina::kernels
