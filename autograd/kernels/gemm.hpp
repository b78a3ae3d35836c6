// Matrix products on raw row-major memory: the one door to BLAS, and to lamina's own product of
// floats, which takes its place where it is faster (float_product.hpp).
//
//   C = A B   or   C += A B,     A: (rows, inner),  B: (inner, columns),  C: (rows, columns)
//
// Large products are cut into tiles by shape, never by thread count, and very long inner sums into
// blocks that are added in order, so that results are the same bits on any number of threads.
// OpenBLAS itself is held to one thread (for the whole process) from its first product on.
// Errors: ArgumentError for an extent or stride that does not fit in 31 bits, where OpenBLAS is
// asked.
// Thread-safety: any thread, also from inside parallel_for (the product then stays on that thread).
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/scalar.hpp>
#include <lamina/autograd/tensor/shape.hpp>

namespace lamina::kernels {

// An operand: element (row, column) at data[row * stride + column], or, when transposed, at
// data[column * stride + row].
template <Scalar T>
struct MatrixView {
  const T* data;
  std::int64_t stride;
  bool transposed = false;
};

// What OpenBLAS's first product does by itself: for other users of OpenBLAS.
void use_one_blas_thread();

enum class Store : std::uint8_t { assign, add };

// What is done to a product when its sums are complete: bias[column] is added, and what is not
// positive becomes 0.
template <Scalar T>
struct Epilogue {
  const T* bias = nullptr;  // null: 0
  bool relu = false;
};

// One product, on this thread: for callers that cut their own tiles.
template <Scalar T>
void gemm_serial(std::int64_t rows, std::int64_t columns, std::int64_t inner, MatrixView<T> a,
                 MatrixView<T> b, T* c, std::int64_t c_stride, Store store = Store::assign);

// One product, on the pool where it is large; the epilogue is computed tile by tile in the cache.
template <Scalar T>
void gemm(std::int64_t rows, std::int64_t columns, std::int64_t inner, MatrixView<T> a,
          MatrixView<T> b, T* c, std::int64_t c_stride, Store store = Store::assign,
          Epilogue<T> epilogue = {});

// Products of a whole batch of dense matrices, C assigned. The batch of `a` and of `b` broadcasts
// to `batch`: extents of 1, and missing leading axes, are repeated.
template <Scalar T>
void gemm_batched(const Shape& batch, std::int64_t rows, std::int64_t columns, std::int64_t inner,
                  MatrixView<T> a, const Shape& a_batch, MatrixView<T> b, const Shape& b_batch,
                  T* c);

}  // namespace lamina::kernels
