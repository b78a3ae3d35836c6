// Tensors as text, laid out as NumPy does.
//
//   std::cout << Tensor<float>({2, 3}, {1, 2.5, -3, 0.1, 5, 6});
//   [[ 1.   2.5 -3. ]
//    [ 0.1  5.   6. ]]
//
// Columns are aligned; a number has its shortest digits, at most 8 behind the point, and all of
// them get an exponent when the largest is 1e8 or more (float: 1e6), the smallest below 1e-4, or
// their ratio above 1000. Lines wrap at 75 characters. Of a tensor with more than 1000 elements
// only the three first and last entries of each axis are shown, with ... between them. A scalar is
// its number; an empty tensor is []; a tensor that is not defined is "undefined".
// Thread-safety: as for reading the tensor.
// Source: numpy.array2string (NumPy 2.4), with its default options.
#pragma once

#include <iosfwd>
#include <lamina/autograd/tensor/tensor.hpp>
#include <string>

namespace lamina {

template <Element T>
std::string to_string(const Tensor<T>& tensor);

template <Element T>
std::ostream& operator<<(std::ostream& out, const Tensor<T>& tensor);

}  // namespace lamina
