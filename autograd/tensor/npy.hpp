// NumPy's file format .npy, one array per file.
//
//   write_npy("weights.npy", tensor);
//   Tensor<float> tensor = read_npy<float>("weights.npy");
//
// The element type must be the tensor's own (little-endian float32, float64, int64, uint8):
// nothing is converted. Written is version 1.0, read are 1.0, 2.0 and 3.0, in C order.
// Errors: DataError naming the file for everything that is wrong with it: missing, cut short,
// another magic, version, element type or order, a header that is no dictionary of descr,
// fortran_order and shape, more than 8 axes, more or fewer elements than the shape tells. No
// memory is taken for what a header promises and the file does not hold. StateError for writing an
// undefined tensor.
// Thread-safety: the functions may be called from several threads.
// Source: numpy.lib.format.
#pragma once

#include <lamina/autograd/tensor/tensor.hpp>
#include <string>

namespace lamina {

template <Element T>
Tensor<T> read_npy(const std::string& path);

// Replaces the file.
template <Element T>
void write_npy(const std::string& path, const Tensor<T>& tensor);

}  // namespace lamina
