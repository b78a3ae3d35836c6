#include <lamina/autograd/kernels/arithmetic.hpp>
#include <lamina/autograd/kernels/reduction.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <string>

namespace lamina {

namespace {

// What a reduction does to a shape.
struct Reduced {
  unsigned mask;       // bit per reduced axis
  Shape kept;          // reduced axes have extent 1
  Shape result;        // as `kept`, or without them
  std::int64_t count;  // elements per result
};

Reduced reduced(const Shape& shape, const Axes& axes, bool keepdims, const char* who) {
  const unsigned mask = axes.mask(shape.rank(), who);
  std::int64_t count = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if ((mask >> axis) & 1) count *= shape.begin()[axis];
  }
  return {mask, reduced_shape(shape, mask, true), reduced_shape(shape, mask, keepdims), count};
}

template <Scalar T>
Variable<T> expanded(const Variable<T>& x, const Shape& shape, unsigned mask, double divisor);

// The sum over the axes of the mask, divided by `divisor`, in the shape `result`. Its adjoint is
// expanded(): each is the derivative of the other.
template <Scalar T>
Variable<T> summed(const char* name, const Variable<T>& x, unsigned mask, const Shape& result,
                   double divisor) {
  return record<T>(name, {x}, kernels::sum(x.value(), mask, divisor).reshaped(result), save_nothing,
                   [mask, divisor](Backward<T>& b) {
                     b.add(0, expanded(b.gradient(), b.input_shape(0), mask, divisor));
                   });
}

template <Scalar T>
Variable<T> expanded(const Variable<T>& x, const Shape& shape, unsigned mask, double divisor) {
  const Shape kept = reduced_shape(shape, mask, true);
  return record<T>("broadcast_to", {x}, kernels::expand(x.value().reshaped(kept), shape, divisor),
                   save_nothing, [mask, divisor](Backward<T>& b) {
                     b.add(0, summed("sum", b.gradient(), mask, b.input_shape(0), divisor));
                   });
}

void require_elements(const char* who, const Shape& shape, std::int64_t reduced,
                      const Shape& kept) {
  if (reduced > 0 || kept.size() == 0) return;
  throw ShapeError(who, "the reduced axes must not be empty; got shape " + shape.to_string());
}

// max and min: the same but for the comparison.
template <Scalar T>
Variable<T> extremum(const char* name, Tensor<T> (*kernel)(const Tensor<T>&, unsigned),
                     const Variable<T>& x, const Axes& axes, bool keepdims) {
  const Reduced r = reduced(x.shape(), axes, keepdims, name);
  require_elements(name, x.shape(), r.count, r.kept);
  return record<T>(name, {x}, kernel(x.value(), r.mask).reshaped(r.result), with_output(save(x)),
                   [r](Backward<T>& b) {
                     const Tensor<T>& v = b.saved(0).value();
                     const Tensor<T> extremes = b.output().value().reshaped(r.kept);
                     b.add(0, expanded(b.gradient(), v.shape(), r.mask, 1) *
                                  kernels::shares_of(v, extremes, r.mask));
                   });
}

// The product of the other factors, for every factor of [outer][count][inner]: prod() of a matrix
// per row with ones on its diagonal. So it is right with zeros, and has derivatives itself.
template <Scalar T>
Variable<T> products_of_others(const Variable<T>& x) {
  const std::int64_t outer = x.shape()[0], count = x.shape()[1], inner = x.shape()[2];
  Tensor<std::uint8_t> others({1, count, count, 1}, std::uint8_t{1});
  for (std::int64_t i = 0; i < count; ++i) others.mutable_data()[i * count + i] = 0;
  const Variable<T> repeated =
      broadcast_to(reshape(x, {outer, 1, count, inner}), {outer, count, count, inner});
  const Variable<T> one(Tensor<T>::scalar(T{1}));
  return prod(where(others, repeated, one), 2);
}

// The product along the middle one of three axes.
template <Scalar T>
Variable<T> prod_of_run(const Variable<T>& x) {
  return record<T>("prod", {x}, kernels::prod(x.value(), 2), save(x), [](Backward<T>& b) {
    const Variable<T>& v = b.saved(0);
    const Variable<T> g = expanded(b.gradient(), v.shape(), 2, 1);
    b.add(0, b.with_graph() ? g * products_of_others(v)
                            : g * Variable<T>(kernels::products_of_others(v.value(), 1)));
  });
}

}  // namespace

template <Scalar T>
Variable<T> sum(const Variable<T>& x, const Axes& axes, bool keepdims) {
  const Reduced r = reduced(x.shape(), axes, keepdims, "sum");
  return summed("sum", x, r.mask, r.result, 1);
}

template <Scalar T>
Variable<T> mean(const Variable<T>& x, const Axes& axes, bool keepdims) {
  const Reduced r = reduced(x.shape(), axes, keepdims, "mean");
  return summed("mean", x, r.mask, r.result, static_cast<double>(r.count));
}

template <Scalar T>
Variable<T> variance(const Variable<T>& x, const Axes& axes, bool keepdims) {
  const Reduced r = reduced(x.shape(), axes, keepdims, "variance");
  const auto count = static_cast<double>(r.count);
  const Tensor<T> centered = kernels::subtract(x.value(), kernels::sum(x.value(), r.mask, count));
  return record<T>("variance", {x},
                   kernels::sum_of_squares(centered, r.mask, count).reshaped(r.result), save(x),
                   [r, count](Backward<T>& b) {
                     const Variable<T>& v = b.saved(0);
                     const Variable<T> center = summed("mean", v, r.mask, r.kept, count);
                     const Variable<T> g = reshape(b.gradient(), r.kept) * T(2 / count);
                     b.add(0, g * (v - center));
                   });
}

template <Scalar T>
Variable<T> max(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return extremum<T>("max", kernels::max, x, axes, keepdims);
}

template <Scalar T>
Variable<T> min(const Variable<T>& x, const Axes& axes, bool keepdims) {
  return extremum<T>("min", kernels::min, x, axes, keepdims);
}

template <Scalar T>
Variable<T> prod(const Variable<T>& x, const Axes& axes, bool keepdims) {
  const Reduced r = reduced(x.shape(), axes, keepdims, "prod");
  Variable<T> y = x;
  for (int axis = x.rank(); axis-- > 0;) {
    if (!((r.mask >> axis) & 1)) continue;
    int first = axis;  // neighbours are one run
    while (first > 0 && ((r.mask >> (first - 1)) & 1)) --first;
    const Shape before = y.shape();
    y = prod_of_run(
        reshape(y, Shape{before.size_of_axes(0, first), before.size_of_axes(first, axis + 1),
                         before.size_of_axes(axis + 1, before.rank())}));
    y = reshape(y, reduced_shape(before, ((2u << axis) - 1) & ~((1u << first) - 1), true));
    axis = first;
  }
  return reshape(y, r.result);
}

template <Scalar T>
Variable<T> norm(const Variable<T>& x, const Axes& axes, bool keepdims) {
  const Reduced r = reduced(x.shape(), axes, keepdims, "norm");
  return record<T>("norm", {x}, kernels::norm(x.value(), r.mask).reshaped(r.result),
                   with_output(save(x)), [r](Backward<T>& b) {
                     // A norm of 0 is divided as 1: x is 0 there, and so is the gradient.
                     const Variable<T> divisor = b.output() + kernels::is_zero(b.output().value());
                     b.add(0, reshape(b.gradient() / divisor, r.kept) * b.saved(0));
                   });
}

template <Scalar T>
Tensor<std::int64_t> argmax(const Tensor<T>& x, int axis, bool keepdims) {
  const int a = normalized_axis(axis, x.rank(), "argmax");
  require_elements("argmax", x.shape(), x.shape()[a], x.shape().with(a, 1));
  const Tensor<std::int64_t> indices = kernels::argmax(x, a);
  return keepdims ? indices : indices.reshaped(x.shape().without(a));
}

template <Scalar T>
Variable<T> cumsum(const Variable<T>& x, int axis, bool reversed) {
  const int a = normalized_axis(axis, x.rank(), "cumsum");
  return record<T>("cumsum", {x}, kernels::cumsum(x.value(), a, reversed), save_nothing,
                   [a, reversed](Backward<T>& b) { b.add(0, cumsum(b.gradient(), a, !reversed)); });
}

template <Scalar T>
Variable<T> sum_to(const Variable<T>& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  if (!broadcasts_to(shape, x.shape())) {
    throw ShapeError("sum_to", "the result must broadcast to the operand; got " +
                                   shape.to_string() + " for " + x.shape().to_string());
  }
  unsigned mask = 0;
  const int shift = x.rank() - shape.rank();
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis < shift || shape.begin()[axis - shift] != x.shape().begin()[axis]) mask |= 1u << axis;
  }
  return summed("sum_to", x, mask, shape, 1);
}

#define LAMINA_REDUCTION(T)                                             \
  template Variable<T> sum(const Variable<T>&, const Axes&, bool);      \
  template Variable<T> mean(const Variable<T>&, const Axes&, bool);     \
  template Variable<T> variance(const Variable<T>&, const Axes&, bool); \
  template Variable<T> max(const Variable<T>&, const Axes&, bool);      \
  template Variable<T> min(const Variable<T>&, const Axes&, bool);      \
  template Variable<T> prod(const Variable<T>&, const Axes&, bool);     \
  template Variable<T> norm(const Variable<T>&, const Axes&, bool);     \
  template Tensor<std::int64_t> argmax(const Tensor<T>&, int, bool);    \
  template Variable<T> cumsum(const Variable<T>&, int, bool);           \
  template Variable<T> sum_to(const Variable<T>&, const Shape&);
LAMINA_REDUCTION(float)
LAMINA_REDUCTION(double)
#undef LAMINA_REDUCTION

}  // namespace lamina
