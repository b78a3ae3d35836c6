// Kernels of the normalizations, on raw arrays in a NormLayout.
//
// Statistics are exact to the rounding of double at any ratio of mean to deviation: two passes,
// sums in double, the second pass corrected by its own sum of differences. The normalizing pass
// subtracts the mean in two parts (high + low), so that float keeps every digit that the input had.
//
// Arrays named by (group, channel) hold layout.statistics() entries. Weights belong to (outer,
// group, middle, inner): all channels of a place share one. They are finite and at least 0; null
// stands for 1 everywhere, and gives the bits that ones give. A weight of 0 selects: NaN there reaches
// no sum. Results do not depend on the number of threads. Nothing is allocated from the system in a
// steady state.
#pragma once

#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/tensor/scalar.hpp>

namespace lamina::kernels {

// count = sum(w) by group: the n of the moments.
template <Scalar T>
void sum_weights(const T* weights, const NormLayout& layout, double* count);

// mean = sum(w x) / n and variance = sum(w (x - mean)^2) / n (biased) by (group, channel); zeros
// for n = 0.
template <Scalar T>
void moments(const T* x, const T* weights, const NormLayout& layout, const double* count,
             double* mean, double* variance);

// sum(dy) and sum(dy (x - mean)) by (group, channel) over all places, unweighted. An x whose dy is 0
// is not looked at, nor one of weight 0 that is not finite.
template <Scalar T>
void gradient_sums(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                   const double* mean, double* sum_dy, double* sum_dy_centred);

// y = (x - mean) * scale + offset, coefficients by (group, channel).
template <Scalar T>
void scale_centred(const T* x, const NormLayout& layout, const double* mean, const double* scale,
                   const double* offset, T* y);

// dx = (dy - w ((x - mean) b + c)) a, coefficients by (group, channel).
template <Scalar T>
void combine_gradient(const T* x, const T* dy, const T* weights, const NormLayout& layout,
                      const double* mean, const double* a, const double* b, const double* c, T* dx);

}  // namespace lamina::kernels
