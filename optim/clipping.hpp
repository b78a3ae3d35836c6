// Clipping of gradients, as functions; optimizers do the same by their options clipvalue, clipnorm,
// global_clipnorm.
//
//   by value        g -> min(max(g, minimum), maximum)
//   by norm         g -> g * limit / max(norm(g), limit), each gradient by itself
//   by global norm  the same with the norm of all gradients together
//
// PyTorch's formula scales by min(1, limit / (norm + 1e-6)). Parameters without gradient are passed
// over. Norms are summed in double, in an order that does not depend on the number of threads.
// Errors: ArgumentError for a limit that is not above 0, minimum above maximum, an order below 1.
#pragma once

#include <lamina/nn/optimizer.hpp>
#include <lamina/optim/update_options.hpp>

namespace lamina {

struct ClipNormOptions {
  OptimizerFormula formula = OptimizerFormula::keras;
  double order = 2;  // of the norm; infinite: the largest absolute value
};

template <Scalar T>
void clip_gradients_by_value(const ParameterList<T>& parameters, double minimum, double maximum);
template <Scalar T>
void clip_gradients_by_norm(const ParameterList<T>& parameters, double limit,
                            const ClipNormOptions& options = {});
// Returns the norm before clipping.
template <Scalar T>
double clip_gradients_by_global_norm(const ParameterList<T>& parameters, double limit,
                                     const ClipNormOptions& options = {});

namespace detail {

// Sum of |x|^order over at most a tile of elements, or their maximum for an infinite order.
template <Scalar T>
double sum_of_powers(const T* values, std::int64_t count, double order);

double clip_factor(double norm, double limit, OptimizerFormula formula);

}  // namespace detail

}  // namespace lamina
