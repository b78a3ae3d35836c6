// Copying between two arrays of any strides: transposing, slicing, reversing, padding, broadcasting
// and joining are all this one loop.
//
//   for every index i in `extents`:
//     out[sum i[axis] out_strides[axis]] = in[sum i[axis] in_strides[axis]]
//
// Strides count elements and may be negative or, for the input, zero. Thread-safety: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <lamina/autograd/tensor/scalar.hpp>
#include <lamina/autograd/tensor/shape.hpp>

namespace lamina::kernels {

using Strides = std::array<std::int64_t, kMaxRank>;

// Of a dense row-major array.
Strides dense_strides(const Shape& shape) noexcept;

template <Element T>
void strided_copy(const Shape& extents, const T* in, const Strides& in_strides, T* out,
                  const Strides& out_strides);

}  // namespace lamina::kernels
