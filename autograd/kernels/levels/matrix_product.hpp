// What an instruction set has for products of float matrices: one serial function over raw memory.
// Used by float_product.cpp, which says where it is faster than OpenBLAS.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// Element (row, column) at data[row * row_step + column * column_step]; one of the steps is 1.
struct ProductOperand {
  const float* data;
  std::int64_t row_step;
  std::int64_t column_step;
};

inline constexpr std::int64_t kProductChain = 256, kProductChainUnit = 16;

// stream: as assign, and where C is aligned past the caches, for one that is larger than they are.
enum class ProductStore : std::uint8_t { assign, add, stream };

// C = A B, or C += A B, where element (row, column) of C is c[row * c_stride + column]. All extents
// are at least 1; C overlaps neither A nor B.
//
// Every element is summed in order of the inner index, in chains of at most kProductChain products
// that are rounded once each: as many as fit, of equal length, a multiple of kProductChainUnit. The
// chains depend on `inner` alone. So an element has the same bits however the matrices around it
// are cut.
using FloatProduct = void (*)(std::int64_t rows, std::int64_t columns, std::int64_t inner,
                              ProductOperand a, ProductOperand b, float* c, std::int64_t c_stride,
                              ProductStore how);

// Defined by levels/matrix_product.cpp, which is compiled once per level.
namespace avx2 {
void matrix_product(std::int64_t rows, std::int64_t columns, std::int64_t inner, ProductOperand a,
                    ProductOperand b, float* c, std::int64_t c_stride, ProductStore how);
}
namespace avx512 {
void matrix_product(std::int64_t rows, std::int64_t columns, std::int64_t inner, ProductOperand a,
                    ProductOperand b, float* c, std::int64_t c_stride, ProductStore how);
}

}  // namespace lamina::kernels
