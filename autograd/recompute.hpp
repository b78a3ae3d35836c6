// recomputed: a part of a computation of which the tape keeps the input alone. The backward pass
// computes the part again when it comes to it: less memory, for one more forward pass of the part.
//
//   auto y = recomputed<float>(tape, x, [&](const Variable<float>& x) {
//     return tanh(matmul(tanh(matmul(x, a)), b));
//   });
//
// Value and gradients have the bits of function(x) itself: what the part adds to the gradient of a
// variable, x or another that it reads, is added to the sum in the same order. Derivatives of
// higher order are exact, and equal to rounding. Parts may stand in parts.
//
// The function is called once now and once in every backward pass that goes through the part; it
// must compute the same each time, and what it captured must live that long. Inside another such
// part, or where the tape does not record, it is just called.
//
// Errors: StateError for a variable that was made inside and used outside without being the result,
// for a backward pass on `tape` or its clear() inside, and, in the backward pass, for a function
// that reads other variables or gives another shape than the first time; ArgumentError for a result
// that belongs to another tape. Thread-safety: as Tape. Source: Chen et al., Training Deep Nets
// with Sublinear Memory Cost (2016).
#pragma once

#include <functional>
#include <lamina/autograd/tape.hpp>

namespace lamina {

template <Scalar T>
using Computation = std::function<Variable<T>(const Variable<T>& x)>;

template <Scalar T>
Variable<T> recomputed(Tape<T>& tape, const Variable<T>& x, const Computation<T>& function);

// The general form: make_again() is asked, after function(x), what computes the same from x again;
// only where something will be differentiated.
template <Scalar T>
Variable<T> recomputed(Tape<T>& tape, const Variable<T>& x, const Computation<T>& function,
                       const std::function<Computation<T>()>& make_again);

#define LAMINA_EXTERN(T)                                                                       \
  extern template Variable<T> recomputed(Tape<T>&, const Variable<T>&, const Computation<T>&); \
  extern template Variable<T> recomputed(Tape<T>&, const Variable<T>&, const Computation<T>&,  \
                                         const std::function<Computation<T>()>&);
LAMINA_EXTERN(float)
LAMINA_EXTERN(double)
#undef LAMINA_EXTERN

}  // namespace lamina
