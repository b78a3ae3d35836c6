#include <lamina/autograd/kernels/loops.hpp>
#include <lamina/autograd/kernels/selection.hpp>

namespace lamina::kernels {

template <Scalar T>
Tensor<T> maximum(const Tensor<T>& a, const Tensor<T>& b) {
  return zip(
      "maximum", [](T x, T y) { return x >= y || x != x ? x : y; }, a, b);
}

template <Scalar T>
Tensor<T> minimum(const Tensor<T>& a, const Tensor<T>& b) {
  return zip(
      "minimum", [](T x, T y) { return x <= y || x != x ? x : y; }, a, b);
}

template <Scalar T>
Tensor<std::uint8_t> first_is_maximum(const Tensor<T>& a, const Tensor<T>& b) {
  return zip_to<std::uint8_t>(
      "maximum", [](T x, T y) -> std::uint8_t { return x >= y || x != x; }, a, b);
}

template <Scalar T>
Tensor<std::uint8_t> first_is_minimum(const Tensor<T>& a, const Tensor<T>& b) {
  return zip_to<std::uint8_t>(
      "minimum", [](T x, T y) -> std::uint8_t { return x <= y || x != x; }, a, b);
}

template <Scalar T>
Tensor<T> where(const Tensor<std::uint8_t>& condition, const Tensor<T>& a, const Tensor<T>& b) {
  return zip_to<T>(
      "where", [](std::uint8_t first, T x, T y) { return first ? x : y; }, condition, a, b);
}

template <Scalar T>
Tensor<T> keep_where(const Tensor<std::uint8_t>& mask, const Tensor<T>& x, bool negated) {
  if (negated) {
    return zip_to<T>(
        "where", [](std::uint8_t drop, T v) { return drop ? T{0} : v; }, mask, x);
  }
  return zip_to<T>(
      "where", [](std::uint8_t keep, T v) { return keep ? v : T{0}; }, mask, x);
}

template <Scalar T>
Tensor<T> keep_scaled(const Tensor<std::uint8_t>& mask, const Tensor<T>& x, T scale) {
  return zip_to<T>(
      "dropout", [=](std::uint8_t keep, T v) { return keep ? v * scale : T{0}; }, mask, x);
}

template <Scalar T>
Tensor<std::uint8_t> is_positive(const Tensor<T>& x) {
  Tensor<std::uint8_t> result = Tensor<std::uint8_t>::uninitialized(x.shape());
  map_into(result.mutable_data(), x.data(), x.size(), [](T v) -> std::uint8_t { return v > 0; });
  return result;
}

template <Scalar T>
Tensor<T> clip(const Tensor<T>& x, T low, T high) {
  return map(x, [=](T v) {
    const T raised = v < low ? low : v;
    return raised > high ? high : raised;
  });
}

template <Scalar T>
Tensor<T> keep_inside(const Tensor<T>& x, const Tensor<T>& guide, T low, T high) {
  return zip(
      "clip", [=](T v, T g) { return ((g < low) | (g > high)) ? T{0} : v; }, x, guide);
}

template <Scalar T>
Tensor<T> keep_positive(const Tensor<T>& x, const Tensor<T>& guide, T slope) {
  if (slope == T{0}) {
    return zip(
        "relu", [](T v, T g) { return g <= 0 ? T{0} : v; }, x, guide);
  }
  return zip(
      "leaky_relu", [=](T v, T g) { return g <= 0 ? slope * v : v; }, x, guide);
}

#define LAMINA_SELECTION(T)                                                                  \
  template Tensor<T> maximum(const Tensor<T>&, const Tensor<T>&);                            \
  template Tensor<T> minimum(const Tensor<T>&, const Tensor<T>&);                            \
  template Tensor<std::uint8_t> first_is_maximum(const Tensor<T>&, const Tensor<T>&);        \
  template Tensor<std::uint8_t> first_is_minimum(const Tensor<T>&, const Tensor<T>&);        \
  template Tensor<T> where(const Tensor<std::uint8_t>&, const Tensor<T>&, const Tensor<T>&); \
  template Tensor<T> keep_where(const Tensor<std::uint8_t>&, const Tensor<T>&, bool);        \
  template Tensor<T> keep_scaled(const Tensor<std::uint8_t>&, const Tensor<T>&, T);          \
  template Tensor<std::uint8_t> is_positive(const Tensor<T>&);                               \
  template Tensor<T> clip(const Tensor<T>&, T, T);                                           \
  template Tensor<T> keep_inside(const Tensor<T>&, const Tensor<T>&, T, T);                  \
  template Tensor<T> keep_positive(const Tensor<T>&, const Tensor<T>&, T);
LAMINA_SELECTION(float)
LAMINA_SELECTION(double)
#undef LAMINA_SELECTION

}  // namespace lamina::kernels
