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
void ParameterData<T>::assign(const Tensor<T>& value) {
  assign_checked(path, "parameter", this->value, value);
}

template <Scalar T>
void BufferData<T>::assign(const Tensor<T>& value) {
  assign_checked(path, "buffer", this->value, value);
}

template <Scalar T>
void BufferData<T>::move_toward(const Tensor<T>& target, double rate) {
  if (rate == 1) return assign(target);
  if (!(value.shape() == target.shape())) return assign(target);  // throws: shapes differ
  const T factor = static_cast<T>(rate);
  T* v = value.mutable_data();
  const T* t = target.data();
  for (std::int64_t i = 0; i < value.size(); ++i) v[i] -= (v[i] - t[i]) * factor;
}

template struct ParameterData<float>;
template struct ParameterData<double>;
template struct BufferData<float>;
template struct BufferData<double>;

}  // namespace lamina
