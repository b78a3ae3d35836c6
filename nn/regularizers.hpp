// The stock regularizers, as in Keras (there is no factor 1/2):
//
//   l1(a)         a sum |w|
//   l2(b)         b sum w^2
//   l1_l2(a, b)   a sum |w| + b sum w^2
//
// Errors: ArgumentError for a factor that is below 0 or not finite.
// Thread-safety: regularizers are immutable.
#pragma once

#include <lamina/nn/regularizer.hpp>

namespace lamina {

Regularizer l1(double factor = 0.01);
Regularizer l2(double factor = 0.01);
Regularizer l1_l2(double l1_factor = 0, double l2_factor = 0);

}  // namespace lamina
