// Softmax and its relatives over a list of axes, with derivatives of any order; exact for arguments
// of any size, because the maximum is taken out first. Errors: ArgumentError for an axis outside
// [-rank, rank) or named twice. Thread-safety: as Variable.
#pragma once

#include <lamina/autograd/tensor/axes.hpp>
#include <lamina/autograd/variable.hpp>

namespace lamina {

// log(sum(exp(x))); of nothing: -infinity.
template <Scalar T>
Variable<T> logsumexp(const Variable<T>& x, const Axes& axes = {}, bool keepdims = false);

// exp(x) / sum(exp(x)).
template <Scalar T>
Variable<T> softmax(const Variable<T>& x, const Axes& axes = -1);

// x - logsumexp(x).
template <Scalar T>
Variable<T> log_softmax(const Variable<T>& x, const Axes& axes = -1);

}  // namespace lamina
