#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/parameter.hpp>

namespace lamina {

namespace {

template <Scalar T>
void assign_checked(const std::string& path, const char* kind, Tensor<T>& target,
                    const Tensor<T>& value) {
  if (target.defined() && !(target.shape() == value.shape())) {
    throw ShapeError(kind, "a value assigned to '" + path + "' must keep the shape; got " +
                               value.shape().to_string() + ", expected " +
                               target.shape().to_string());
  }
  target = value;
}

}  // namespace

template <Scalar T>
ParameterData<T>& ParameterData<T>::operator=(const ParameterData& other) {
  Leaf<T>::operator=(other);
  trainable = other.trainable;
  regularizer = other.regularizer;
  constraint = other.constraint;
  if (path.empty()) path = other.path;
  return *this;
}

template <Scalar T>
BufferData<T>& BufferData<T>::operator=(const BufferData& other) {
  value = other.value;
  if (path.empty()) path = other.path;
  return *this;
}

template <Scalar T>
void ParameterData<T>::assign(const Tensor<T>& value) {
  assign_checked(path, "parameter", this->value, value);
}

template <Scalar T>
void BufferData<T>::assign(const Tensor<T>& value) {
  assign_checked(path, "buffer", this->value, value);
}

template <Scalar T>
Tensor<T> moved_toward(const Tensor<T>& current, const Tensor<T>& target, double rate) {
  if (rate == 1 || !(current.shape() == target.shape())) return target;
  Tensor<T> result = Tensor<T>::uninitialized(current.shape());
  T* out = result.mutable_data();
  const T factor = static_cast<T>(rate);
  for (std::int64_t i = 0; i < current.size(); ++i) {
    const T value = current.data()[i];
    out[i] = value - (value - target.data()[i]) * factor;
  }
  return result;
}

template Tensor<float> moved_toward(const Tensor<float>&, const Tensor<float>&, double);
template Tensor<double> moved_toward(const Tensor<double>&, const Tensor<double>&, double);
template struct ParameterData<float>;
template struct ParameterData<double>;
template struct BufferData<float>;
template struct BufferData<double>;
template class Tied<ParameterData<float>>;
template class Tied<ParameterData<double>>;
template class Tied<BufferData<float>>;
template class Tied<BufferData<double>>;

}  // namespace lamina
