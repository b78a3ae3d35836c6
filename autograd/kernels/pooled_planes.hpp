// The functions of pooled_normalization.hpp for images with channels first, whose planes are taken
// one after the other; only the .cpp files of this folder include this.
#pragma once

#include <lamina/autograd/kernels/pooled_normalization.hpp>

namespace lamina::kernels {

void pool_normalized_planes(const float* x, const ImageBatch& batch,
                            const CentredScaling<float>& of, float* y, InstructionSet level);

void pooled_plane_gradient_sums(const float* x, const float* dy, const ImageBatch& batch,
                                const double* mean, const CentredScaling<float>& of, double* sum_dy,
                                double* sum_dy_centred, InstructionSet level);

void combine_pooled_plane_gradient(const float* x, const float* dy, const ImageBatch& batch,
                                   const CentredScaling<float>& of,
                                   const GradientScaling<float>& through, float* dx,
                                   InstructionSet level);

}  // namespace lamina::kernels
