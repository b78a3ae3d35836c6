// Tensors and xtensor, both ways. Opt-in: this header brings xtensor along, the umbrella header
// does not include it.
//
//   Tensor<float> a({2, 3}, {1, 2, 3, 4, 5, 6});
//   auto view = as_xtensor(a);                               // writes go into a; nothing is copied
//   view *= 2.0f;
//   Tensor<float> b = from_xtensor(xt::sum(as_xtensor(a), {0}));  // evaluates once, into b
//
// as_xtensor of a const tensor gives a read-only adaptor, of a writable one a writable adaptor (a
// shared storage is copied first, as mutable_data does). An adaptor is valid while the tensor
// lives, keeps its storage and is not written by others; temporaries are therefore refused by the
// compiler. from_xtensor evaluates into row-major order whatever the expression's layout. Elements
// other than float, double, int64 and uint8 must be converted:
// from_xtensor<std::int64_t>(expression).
// Errors: ShapeError for an undefined tensor or an expression of more than 8 axes.
// Thread-safety: as for the tensor.
#pragma once

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <lamina/autograd/tensor/xtensor_gate.hpp>
#include <vector>

namespace lamina {

namespace detail {

inline std::vector<std::size_t> xtensor_shape(const Shape& shape, bool defined) {
  if (!defined) {
    throw ShapeError("as_xtensor", "the tensor must be defined; got a default-constructed one");
  }
  return {shape.begin(), shape.end()};
}

}  // namespace detail

template <Element T>
auto as_xtensor(const Tensor<T>& tensor) {
  const auto shape = detail::xtensor_shape(tensor.shape(), tensor.defined());
  return xt::adapt<xt::layout_type::row_major>(
      tensor.data(), static_cast<std::size_t>(tensor.size()), xt::no_ownership(), shape);
}

template <Element T>
auto as_xtensor(Tensor<T>& tensor) {
  const auto shape = detail::xtensor_shape(tensor.shape(), tensor.defined());
  return xt::adapt<xt::layout_type::row_major>(
      tensor.mutable_data(), static_cast<std::size_t>(tensor.size()), xt::no_ownership(), shape);
}

template <Element T>
void as_xtensor(Tensor<T>&&) = delete;
template <Element T>
void as_xtensor(const Tensor<T>&&) = delete;

template <Element T, class E>
Tensor<T> from_xtensor(const xt::xexpression<E>& expression) {
  const auto& extents = expression.derived_cast().shape();
  const std::vector<std::int64_t> shape(extents.begin(), extents.end());
  Tensor<T> result = Tensor<T>::uninitialized(Shape(std::span<const std::int64_t>(shape)));
  auto target = as_xtensor(result);
  xt::noalias(target) = xt::cast<T>(expression.derived_cast());
  return result;
}

template <class E>
auto from_xtensor(const xt::xexpression<E>& expression) {
  using T = std::decay_t<typename E::value_type>;
  static_assert(Element<T>,
                "tensors hold float, double, int64 or uint8: name one, from_xtensor<float>(...)");
  return from_xtensor<T>(expression);
}

}  // namespace lamina
