// Dropout: each element is 0 with probability `rate`, else multiplied by 1 / (1 - rate), so that
// the expected value stays.
//
// Which elements drop is a function of the random stream alone (its seed, path and step): the
// backward pass draws the same mask again instead of keeping it. Errors: ArgumentError for a rate
// outside [0, 1]. Thread-safety: as Variable. Source: Srivastava et al., JMLR 15 (2014) 1929.
#pragma once

#include <lamina/autograd/tensor/random.hpp>
#include <lamina/autograd/variable.hpp>

namespace lamina {

template <Scalar T>
Variable<T> dropout(const Variable<T>& x, const RandomStream& stream, double rate);

}  // namespace lamina
