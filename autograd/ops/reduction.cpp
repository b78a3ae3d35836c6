#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {

template <Scalar T>
Variable<T> sum_to(const Variable<T>& x, const Shape& shape) {
  if (!broadcasts_to(shape, x.shape())) {
    throw ShapeError("sum_to", "the result must broadcast to the operand; got " +
                                   shape.to_string() + " for " + x.shape().to_string());
  }
  Tensor<T> y = Tensor<T>::zeros(shape);
  T* out = y.mutable_data();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    std::int64_t rest = i, position = 0, stride = 1;
    for (int axis = x.rank() - 1, mine = shape.rank() - 1; mine >= 0; --axis, --mine) {
      if (shape[mine] != 1) position += rest % x.shape()[axis] * stride;
      rest /= x.shape()[axis];
      stride *= shape[mine];
    }
    out[position] += x.value().data()[i];
  }
  const Shape before = x.shape();
  return record<T>("sum_to", {x}, std::move(y), save_nothing,
                   [before](Backward<T>& b) { b.add(0, broadcast_to(b.gradient(), before)); });
}

template Variable<float> sum_to(const Variable<float>&, const Shape&);
template Variable<double> sum_to(const Variable<double>&, const Shape&);

}  // namespace lamina
