// Choosing slices by index, and adding slices at indices.
//
//   x (outer, extent, inner), y (outer, count, inner), indices (count), all in [0, extent)
//
// Thread-safety: any thread.
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/scalar.hpp>
#include <span>

namespace lamina::kernels {

// y[o, i, :] = x[o, indices[i], :]
template <Scalar T>
void gather_slices(std::int64_t outer, std::int64_t extent, std::int64_t inner,
                   std::span<const std::int64_t> indices, const T* x, T* y);

// x = 0, then x[o, indices[i], :] += y[o, i, :] in the order of i.
template <Scalar T>
void scatter_add_slices(std::int64_t outer, std::int64_t extent, std::int64_t inner,
                        std::span<const std::int64_t> indices, const T* y, T* x);

}  // namespace lamina::kernels
