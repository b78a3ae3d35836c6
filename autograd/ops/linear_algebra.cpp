#include <algorithm>
#include <lamina/autograd/kernels/gemm.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/linear_algebra.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <string>

namespace lamina {

namespace {

// The extents of a product of operands of rank 2 and more.
struct Product {
  Shape batch;
  Shape a_batch;
  Shape b_batch;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t inner;
};

Shape leading_axes(const Shape& shape) {
  return Shape(shape.extents().first(static_cast<std::size_t>(shape.rank() - 2)));
}

std::string both(const Shape& a, const Shape& b, MatmulOptions options) {
  return a.to_string() + (options.transpose_a ? " transposed and " : " and ") + b.to_string() +
         (options.transpose_b ? " transposed" : "");
}

Product product_of(const Shape& a, const Shape& b, MatmulOptions options) {
  const Shape a_batch = leading_axes(a), b_batch = leading_axes(b);
  return {broadcast_shape(a_batch, b_batch, "matmul"),
          a_batch,
          b_batch,
          a[options.transpose_a ? -1 : -2],
          b[options.transpose_b ? -2 : -1],
          a[options.transpose_a ? -2 : -1]};
}

template <Scalar T>
Tensor<T> multiply(const Tensor<T>& a, const Tensor<T>& b, const Product& p,
                   MatmulOptions options) {
  Shape shape = p.batch.inserted(p.batch.rank(), p.rows);
  shape = shape.inserted(shape.rank(), p.columns);
  Tensor<T> c = Tensor<T>::uninitialized(shape);
  const kernels::MatrixView<T> left{a.data(), std::max<std::int64_t>(1, a.shape()[-1]),
                                    options.transpose_a};
  const kernels::MatrixView<T> right{b.data(), std::max<std::int64_t>(1, b.shape()[-1]),
                                     options.transpose_b};
  const std::int64_t stride = std::max<std::int64_t>(1, p.columns);
  if (p.batch.size() == 1) {
    kernels::gemm(p.rows, p.columns, p.inner, left, right, c.mutable_data(), stride);
  } else {
    kernels::gemm_batched(p.batch, p.rows, p.columns, p.inner, left, p.a_batch, right, p.b_batch,
                          c.mutable_data());
  }
  return c;
}

template <Scalar T>
Variable<T> sum_to_shape(const Variable<T>& x, const Shape& shape) {
  return x.shape() == shape ? x : sum_to(x, shape);
}

template <Scalar T>
Variable<T> matmul_of_matrices(const Variable<T>& a, const Variable<T>& b, MatmulOptions options) {
  const Product product = product_of(a.shape(), b.shape(), options);
  return record<T>("matmul", {a, b}, multiply(a.value(), b.value(), product, options), save(a, b),
                   [options](Backward<T>& backward) {
                     const Variable<T>& left = backward.saved(0);
                     const Variable<T>& right = backward.saved(1);
                     const Variable<T>& gradient = backward.gradient();
                     const bool ta = options.transpose_a, tb = options.transpose_b;
                     if (backward.wants(0)) {
                       const Variable<T> d = ta ? matmul(right, gradient, {tb, true})
                                                : matmul(gradient, right, {false, !tb});
                       backward.add(0, sum_to_shape(d, left.shape()));
                     }
                     if (backward.wants(1)) {
                       const Variable<T> d = tb ? matmul(gradient, left, {true, ta})
                                                : matmul(left, gradient, {!ta, false});
                       backward.add(1, sum_to_shape(d, right.shape()));
                     }
                   });
}

void check_operands(const Shape& a, const Shape& b, MatmulOptions options) {
  if (a.rank() == 0 || b.rank() == 0) {
    throw ShapeError("matmul", "operands must have at least one axis; got " + both(a, b, options) +
                                   ", expected rank 1 to 8");
  }
  if ((a.rank() == 1 && options.transpose_a) || (b.rank() == 1 && options.transpose_b)) {
    throw ShapeError("matmul",
                     "an operand of rank 1 must not be transposed; got " + both(a, b, options));
  }
  const std::int64_t columns = a[options.transpose_a ? -2 : -1];
  const std::int64_t rows = b.rank() == 1 ? b[0] : b[options.transpose_b ? -1 : -2];
  if (columns == rows) return;
  throw ShapeError("matmul",
                   "the columns of the left operand must equal the rows of the right; got " +
                       both(a, b, options));
}

}  // namespace

template <Scalar T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b, MatmulOptions options) {
  check_operands(a.shape(), b.shape(), options);
  if (a.rank() == 1) {
    const Variable<T> y = matmul(reshape(a, {1, a.size()}), b, options);
    return reshape(y, y.shape().without(b.rank() == 1 ? -1 : -2));
  }
  if (b.rank() == 1) {
    const Variable<T> y = matmul(a, reshape(b, {b.size(), 1}), options);
    return reshape(y, y.shape().without(-1));
  }
  // A batch times one matrix is one tall product, and needs no sum over the batch backwards.
  if (a.rank() > 2 && b.rank() == 2 && !options.transpose_a) {
    const Shape& shape = a.shape();
    const std::int64_t rows = shape.size_of_axes(0, shape.rank() - 1);
    const Variable<T> y = matmul(reshape(a, Shape{rows, shape[-1]}), b, options);
    return reshape(y, shape.with(-1, y.shape()[-1]));
  }
  return matmul_of_matrices(a, b, options);
}

template Variable<float> matmul(const Variable<float>&, const Variable<float>&, MatmulOptions);
template Variable<double> matmul(const Variable<double>&, const Variable<double>&, MatmulOptions);

}  // namespace lamina
