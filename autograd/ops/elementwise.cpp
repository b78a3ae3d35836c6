#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {

namespace {

template <Scalar T>
Tensor<T> sum_of(const Tensor<T>& a, const Tensor<T>& b) {
  Tensor<T> result = Tensor<T>::uninitialized(a.shape());
  T* out = result.mutable_data();
  for (std::int64_t i = 0; i < a.size(); ++i) out[i] = a.data()[i] + b.data()[i];
  return result;
}

}  // namespace

template <Scalar T>
void add_in_place(Tensor<T>& sum, const Tensor<T>& addend) {
  if (!sum.unique()) {
    sum = sum_of(sum, addend);
    return;
  }
  T* out = sum.mutable_data();
  const T* in = addend.data();
  for (std::int64_t i = 0; i < sum.size(); ++i) out[i] += in[i];
}

template <Scalar T>
Variable<T> add(const Variable<T>& a, const Variable<T>& b) {
  if (!(a.shape() == b.shape())) {
    throw ShapeError("add", "operands must have one shape; got " + a.shape().to_string() +
                                " and " + b.shape().to_string());
  }
  return record<T>("add", {a, b}, sum_of(a.value(), b.value()), save_nothing,
                   [](Backward<T>& backward) {
                     backward.add(0, backward.gradient());
                     backward.add(1, backward.gradient());
                   });
}

template void add_in_place(Tensor<float>&, const Tensor<float>&);
template void add_in_place(Tensor<double>&, const Tensor<double>&);
template Variable<float> add(const Variable<float>&, const Variable<float>&);
template Variable<double> add(const Variable<double>&, const Variable<double>&);

}  // namespace lamina
