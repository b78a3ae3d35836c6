// Normalization, ReLU and max pooling of images in one pass over raw memory:
//
//   y = the largest of max(0, (x - mean) factor + offset) over windows of 2 x 2, side by side
//
// x (images, rows, columns, channels), y (images, rows / 2, columns / 2, channels), or with
// channels first (images, channels, rows, columns): an odd last row or column belongs to no window.
// Nothing of the normalized values is stored; the gradients find the winner of a window again from
// x. Of equal values the first wins. NaN wins over all and gets the gradient, as from a ReLU; which
// element of the window does is open then, since NaN in x makes all y of its channel NaN.
//
// Coefficients and sums by (group, channel), as in normalization.hpp: image i belongs to group i
// modulo groups. float alone, and only where can_rectify<float>(level). Results do not depend on
// the number of threads. Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/normalization.hpp>

namespace lamina::kernels {

struct ImageBatch {
  std::int64_t images, rows, columns, channels;
  std::int64_t groups = 1;
  bool channels_first = false;
};

void pool_normalized(const float* x, const ImageBatch& batch, const CentredScaling<float>& of,
                     float* y, InstructionSet level = instruction_set());

// sum(dy) and sum(dy (x - mean)) over the windows whose y is positive or NaN, x the winner's.
void pooled_gradient_sums(const float* x, const float* dy, const ImageBatch& batch,
                          const double* mean, const CentredScaling<float>& of, double* sum_dy,
                          double* sum_dy_centred, InstructionSet level = instruction_set());

// dx, with dy at the winners of windows whose y is positive or NaN, else 0.
void combine_pooled_gradient(const float* x, const float* dy, const ImageBatch& batch,
                             const CentredScaling<float>& of, const GradientScaling<float>& through,
                             float* dx, InstructionSet level = instruction_set());

}  // namespace lamina::kernels
