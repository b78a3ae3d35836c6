#include <cmath>
#include <lamina/autograd/kernels/arithmetic.hpp>
#include <lamina/autograd/kernels/loops.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina::kernels {

template <Scalar T>
Tensor<T> add(const Tensor<T>& a, const Tensor<T>& b) {
  return zip(
      "add", [](T x, T y) { return x + y; }, a, b);
}

template <Scalar T>
Tensor<T> subtract(const Tensor<T>& a, const Tensor<T>& b) {
  return zip(
      "subtract", [](T x, T y) { return x - y; }, a, b);
}

template <Scalar T>
Tensor<T> multiply(const Tensor<T>& a, const Tensor<T>& b) {
  return zip(
      "multiply", [](T x, T y) { return x * y; }, a, b);
}

template <Scalar T>
Tensor<T> divide(const Tensor<T>& a, const Tensor<T>& b) {
  return zip(
      "divide", [](T x, T y) { return x / y; }, a, b);
}

template <Scalar T>
Tensor<T> add(const Tensor<T>& x, T addend) {
  return map(x, [=](T v) { return v + addend; });
}

template <Scalar T>
Tensor<T> multiply(const Tensor<T>& x, T factor) {
  return map(x, [=](T v) { return v * factor; });
}

template <Scalar T>
Tensor<T> divide(const Tensor<T>& x, T divisor) {
  return map(x, [=](T v) { return v / divisor; });
}

template <Scalar T>
Tensor<T> subtract_from(const Tensor<T>& x, T minuend) {
  return map(x, [=](T v) { return minuend - v; });
}

template <Scalar T>
Tensor<T> divide_into(const Tensor<T>& x, T dividend) {
  return map(x, [=](T v) { return dividend / v; });
}

template <Scalar T>
void add_in_place(Tensor<T>& sum, const Tensor<T>& addend) {
  if (!(sum.shape() == addend.shape())) {
    throw ShapeError("add_in_place", "the addend must have the sum's shape; got " +
                                         addend.shape().to_string() + ", expected " +
                                         sum.shape().to_string());
  }
  if (!sum.unique()) {
    sum = add(sum, addend);
    return;
  }
  T* out = sum.mutable_data();
  const T* in = addend.data();
  in_tiles(sum.size(), [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] += in[i];
  });
}

template <Scalar T>
Tensor<T> negate(const Tensor<T>& x) {
  return map(x, [](T v) { return -v; });
}

template <Scalar T>
Tensor<T> abs(const Tensor<T>& x) {
  return map(x, [](T v) { return std::abs(v); });
}

template <Scalar T>
Tensor<T> sign(const Tensor<T>& x) {
  return map(x, [](T v) {
    const T direction = v < 0 ? T{-1} : T{1};
    return v < 0 || v > 0 ? direction : v * 0;  // 0 for 0, NaN for NaN
  });
}

template <Scalar T>
Tensor<T> is_zero(const Tensor<T>& x) {
  return map(x, [](T v) { return v == 0 ? T{1} : T{0}; });
}

template <Scalar T>
Tensor<T> square(const Tensor<T>& x) {
  return map(x, [](T v) { return v * v; });
}

template <Scalar T>
Tensor<T> sqrt(const Tensor<T>& x) {
  return map(x, [](T v) { return std::sqrt(v); });
}

template <Scalar T>
Tensor<T> rsqrt(const Tensor<T>& x) {
  return map(x, [](T v) { return 1 / std::sqrt(v); });
}

template <Scalar T>
Tensor<T> reciprocal(const Tensor<T>& x) {
  return map(x, [](T v) { return 1 / v; });
}

template <Scalar T>
Tensor<T> pow(const Tensor<T>& base, const Tensor<T>& exponent) {
  return zip(
      "pow", [](T x, T p) { return static_cast<T>(std::pow(x, p)); }, base, exponent);
}

template <Scalar T>
Tensor<T> pow(const Tensor<T>& base, T exponent) {
  if (exponent == T{0}) return Tensor<T>(base.shape(), T{1});
  if (exponent == T{1}) return base;
  if (exponent == T{2}) return square(base);
  if (exponent == T{3}) return map(base, [](T v) { return v * v * v; });
  if (exponent == T{4}) return map(base, [](T v) { return (v * v) * (v * v); });
  if (exponent == T{-1}) return reciprocal(base);
  return map(base, [=](T v) { return static_cast<T>(std::pow(v, exponent)); });
}

#define LAMINA_ARITHMETIC(T)                                       \
  template Tensor<T> add(const Tensor<T>&, const Tensor<T>&);      \
  template Tensor<T> subtract(const Tensor<T>&, const Tensor<T>&); \
  template Tensor<T> multiply(const Tensor<T>&, const Tensor<T>&); \
  template Tensor<T> divide(const Tensor<T>&, const Tensor<T>&);   \
  template Tensor<T> add(const Tensor<T>&, T);                     \
  template Tensor<T> multiply(const Tensor<T>&, T);                \
  template Tensor<T> divide(const Tensor<T>&, T);                  \
  template Tensor<T> subtract_from(const Tensor<T>&, T);           \
  template Tensor<T> divide_into(const Tensor<T>&, T);             \
  template void add_in_place(Tensor<T>&, const Tensor<T>&);        \
  template Tensor<T> negate(const Tensor<T>&);                     \
  template Tensor<T> abs(const Tensor<T>&);                        \
  template Tensor<T> sign(const Tensor<T>&);                       \
  template Tensor<T> is_zero(const Tensor<T>&);                    \
  template Tensor<T> square(const Tensor<T>&);                     \
  template Tensor<T> sqrt(const Tensor<T>&);                       \
  template Tensor<T> rsqrt(const Tensor<T>&);                      \
  template Tensor<T> reciprocal(const Tensor<T>&);                 \
  template Tensor<T> pow(const Tensor<T>&, const Tensor<T>&);      \
  template Tensor<T> pow(const Tensor<T>&, T);
LAMINA_ARITHMETIC(float)
LAMINA_ARITHMETIC(double)
#undef LAMINA_ARITHMETIC

}  // namespace lamina::kernels
