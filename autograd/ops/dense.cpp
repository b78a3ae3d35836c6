#include <algorithm>
#include <lamina/autograd/kernels/gemm.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/dense.hpp>
#include <lamina/autograd/ops/detail/gated_gradients.hpp>
#include <lamina/autograd/ops/linear_algebra.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {

namespace {

constexpr const char* kWho = "dense";

template <Scalar T>
void require_fit(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& bias) {
  const Shape &input = x.shape(), &weights = kernel.shape();
  if (input.rank() < 2 || weights.rank() != 2 || input[-1] != weights[0]) {
    throw ShapeError(kWho, "x must be (..., features) and the kernel (features, units); got x " +
                               input.to_string() + ", kernel " + weights.to_string());
  }
  if (!bias.defined() || bias.shape() == Shape{weights[1]}) return;
  throw ShapeError(kWho, "the bias must have one value per unit; got " + bias.shape().to_string() +
                             ", expected " + Shape{weights[1]}.to_string());
}

// All positions as the rows of a matrix.
template <Scalar T>
Variable<T> flattened(const Variable<T>& x) {
  if (x.rank() == 2) return x;
  return reshape(x, Shape{x.shape().size_of_axes(0, x.rank() - 1), x.shape()[-1]});
}

template <Scalar T>
Tensor<T> compute(const Tensor<T>& x, const Tensor<T>& kernel, const T* bias, bool relu) {
  const std::int64_t features = kernel.shape()[0], units = kernel.shape()[1];
  Tensor<T> y = Tensor<T>::uninitialized(x.shape().with(-1, units));
  const std::int64_t stride = std::max<std::int64_t>(1, units);
  kernels::gemm<T>(x.shape().size_of_axes(0, x.rank() - 1), units, features,
                   {x.data(), std::max<std::int64_t>(1, features)}, {kernel.data(), stride},
                   y.mutable_data(), stride, kernels::Store::assign, {bias, relu});
  return y;
}

}  // namespace

template <Scalar T>
Variable<T> dense(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& bias,
                  AfterDense after) {
  require_fit(x, kernel, bias);
  const bool relu = after == AfterDense::relu;
  const T* const offsets = bias.defined() ? bias.value().data() : nullptr;
  Saved<T> saved = save(x, kernel);
  return record<T>(
      kWho, {x, kernel, bias}, compute(x.value(), kernel.value(), offsets, relu),
      relu ? with_output(saved) : saved, [relu](Backward<T>& b) {
        const Variable<T> gradient = flattened(
            relu ? detail::relu_gradient(b.gradient(), b.output().value(), T{0}) : b.gradient());
        const Variable<T>&input = b.saved(0), &weights = b.saved(1);
        if (b.wants(0)) {
          const Variable<T> dx = matmul(gradient, weights, {false, true});
          b.add(0, input.rank() == 2 ? dx : reshape(dx, input.shape()));
        }
        if (b.wants(1)) b.add(1, matmul(flattened(input), gradient, {true, false}));
        if (b.wants(2)) b.add(2, sum_to(gradient, b.input_shape(2)));
      });
}

#define LAMINA_INSTANTIATE(T)                                                            \
  template Variable<T> dense(const Variable<T>&, const Variable<T>&, const Variable<T>&, \
                             AfterDense);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
