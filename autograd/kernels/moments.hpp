// Mean and variance of raw arrays in a NormLayout, weighted or not.
//
// Exact to the rounding of the tensor's type at any ratio of mean to deviation, for any number of
// values: blocks of at most 1024 values of a channel are summed as differences from their own mean,
// and merged in double (Chan, Golub, LeVeque, Algorithms for Computing the Sample Variance, 1983).
// Every value is read once from memory. Equal values have the variance 0, not one of rounding.
//
// Weights belong to (outer, group, middle, inner): all channels of a place share one. They are
// finite and at least 0; null stands for 1 everywhere (ones agree with it to rounding, with one
// group to the bit). A weight of 0 selects: NaN there reaches no sum. Results do not depend on the
// number of threads. Nothing is allocated from the system in a steady state.
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/tensor/scalar.hpp>

namespace lamina::kernels {

// By group count = sum(w); by (group, channel) mean = sum(w x) / count and the biased variance
// sum(w (x - mean)^2) / count. Zeros where the count is 0.
template <Scalar T>
void moments(const T* x, const T* weights, const NormLayout& layout, double* count, double* mean,
             double* variance, InstructionSet level = instruction_set());

}  // namespace lamina::kernels
