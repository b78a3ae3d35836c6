#include <fmt/format.h>

#include <lamina/autograd/kernels/selection.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {

namespace {

using Mask = Tensor<std::uint8_t>;

// x where the mask is true (or false, when negated), summed to `shape`. Broadcasts the mask, and x
// too.
template <Scalar T>
Variable<T> chosen(const Mask& mask, const Variable<T>& x, bool negated) {
  return record<T>("where", {x}, kernels::keep_where(mask, x.value(), negated), save_nothing,
                   [mask, negated](Backward<T>& b) {
                     b.add(0, sum_to(chosen(mask, b.gradient(), negated), b.input_shape(0)));
                   });
}

// Hands the gradient to input `first` where the mask is true, to the one behind it elsewhere.
template <Scalar T>
void add_chosen(Backward<T>& b, const Mask& mask) {
  for (const int i : {0, 1}) {
    if (b.wants(i)) b.add(i, sum_to(chosen(mask, b.gradient(), i == 1), b.input_shape(i)));
  }
}

// x where low <= guide <= high; the guide has no derivative here (it is piecewise constant).
template <Scalar T>
Variable<T> inside(const Variable<T>& x, const Tensor<T>& guide, T low, T high) {
  return record<T>(
      "clip", {x}, kernels::keep_inside(x.value(), guide, low, high), save_nothing,
      [guide, low, high](Backward<T>& b) { b.add(0, inside(b.gradient(), guide, low, high)); });
}

}  // namespace

template <Scalar T>
Variable<T> maximum(const Variable<T>& a, const Variable<T>& b) {
  return record<T>(
      "maximum", {a, b}, kernels::maximum(a.value(), b.value()), save(a, b), [](Backward<T>& b) {
        add_chosen(b, kernels::first_is_maximum(b.saved(0).value(), b.saved(1).value()));
      });
}

template <Scalar T>
Variable<T> minimum(const Variable<T>& a, const Variable<T>& b) {
  return record<T>(
      "minimum", {a, b}, kernels::minimum(a.value(), b.value()), save(a, b), [](Backward<T>& b) {
        add_chosen(b, kernels::first_is_minimum(b.saved(0).value(), b.saved(1).value()));
      });
}

template <Scalar T>
Variable<T> clip(const Variable<T>& x, std::type_identity_t<T> low, std::type_identity_t<T> high) {
  if (!(low <= high)) {
    throw ArgumentError(
        "clip", fmt::format("the lower bound must not exceed the upper; got {} and {}", low, high));
  }
  return record<T>("clip", {x}, kernels::clip(x.value(), low, high), save(x),
                   [low, high](Backward<T>& b) {
                     b.add(0, inside(b.gradient(), b.saved(0).value(), low, high));
                   });
}

template <Scalar T>
Variable<T> where(const Mask& condition, const Variable<T>& a, const Variable<T>& b) {
  return record<T>("where", {a, b}, kernels::where(condition, a.value(), b.value()), save_nothing,
                   [condition](Backward<T>& b) { add_chosen(b, condition); });
}

template <Scalar T>
Variable<T> keep_where(const Mask& mask, const Variable<T>& x) {
  return chosen(mask, x, false);
}

#define LAMINA_SELECTION(T)                                                                        \
  template Variable<T> maximum(const Variable<T>&, const Variable<T>&);                            \
  template Variable<T> minimum(const Variable<T>&, const Variable<T>&);                            \
  template Variable<T> clip(const Variable<T>&, std::type_identity_t<T>, std::type_identity_t<T>); \
  template Variable<T> where(const Mask&, const Variable<T>&, const Variable<T>&);                 \
  template Variable<T> keep_where(const Mask&, const Variable<T>&);
LAMINA_SELECTION(float)
LAMINA_SELECTION(double)
#undef LAMINA_SELECTION

}  // namespace lamina
