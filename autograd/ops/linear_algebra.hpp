// Products of matrices.
//
// matmul: C[..., i, j] = sum_p A[..., i, p] B[..., p, j]. The last two axes are matrices, read
// transposed where the options say so; the axes before them are a batch and broadcast as NumPy's.
// An operand of rank 1 is a row (left) or a column (right), and its axis of extent 1 is dropped
// from the result, as numpy.matmul does.
//   A (..., m, k), B (..., k, n) -> (..., m, n)
// Errors: ShapeError for a rank of 0, inner extents that differ, batches that do not broadcast, or
// a transposed operand of rank 1. Thread-safety: as Variable.
#pragma once

#include <lamina/autograd/variable.hpp>

namespace lamina {

struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
};

template <Scalar T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b, MatmulOptions options = {});

}  // namespace lamina
