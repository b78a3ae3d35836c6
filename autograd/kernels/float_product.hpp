// lamina's own product of float matrices, one kernel per instruction set: what gemm.hpp takes
// instead of OpenBLAS where it is faster. What it computes, and in which order:
// levels/matrix_product.hpp.
//
// The choice looks at extents and the level only, so that a product has the same bits on any number
// of threads. An infinity or NaN goes where IEEE arithmetic takes it: no product is left out.
// Thread-safety: any thread; one call stays on its thread.
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/levels/matrix_product.hpp>

namespace lamina::kernels {

// The products of a chain of an element's sum: its length depends on the length of the sum alone.
// levels/matrix_product.cpp cuts sums in the same way.
std::int64_t product_chain(std::int64_t inner);

// Null where that level has none.
FloatProduct float_product(InstructionSet level);

// The one of the level in use; null where OpenBLAS is as fast.
FloatProduct faster_float_product(std::int64_t rows, std::int64_t columns, std::int64_t inner);

}  // namespace lamina::kernels
