#include <fmt/core.h>

#include <lamina/autograd/kernels/index.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/index.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {

namespace {

using Indices = Tensor<std::int64_t>;

void check_indices(const char* who, const Indices& indices, std::int64_t extent) {
  for (std::int64_t i = 0; i < indices.size(); ++i) {
    const std::int64_t index = indices.data()[i];
    if (index >= 0 && index < extent) continue;
    throw ArgumentError(
        who, fmt::format("indices must lie in [0, {}); got {} at position {}", extent, index, i));
  }
}

// `shape` with the axes [axis, axis + removed) replaced by those of `middle`.
Shape replaced(const char* who, const Shape& shape, int axis, int removed, const Shape& middle) {
  std::array<std::int64_t, 2 * kMaxRank> extents{};
  auto end = std::copy(shape.begin(), shape.begin() + axis, extents.begin());
  end = std::copy(middle.begin(), middle.end(), end);
  end = std::copy(shape.begin() + axis + removed, shape.end(), end);
  const auto rank = static_cast<std::size_t>(end - extents.begin());
  if (rank > kMaxRank) {
    throw ShapeError(who, fmt::format("the result must have at most 8 axes; got {} for indices {}",
                                      shape.to_string(), middle.to_string()));
  }
  return Shape(std::span<const std::int64_t>(extents.data(), rank));
}

void check_updates(const Shape& updates, const Shape& indices, int axis) {
  bool right = axis + indices.rank() <= updates.rank();
  for (int i = 0; right && i < indices.rank(); ++i) right = updates[axis + i] == indices[i];
  if (right) return;
  throw ShapeError(
      "scatter_add",
      fmt::format("the updates must have the axes of the indices at axis {}; got {}, expected {}",
                  axis, updates.to_string(), indices.to_string()));
}

}  // namespace

template <Scalar T>
Variable<T> gather(const Variable<T>& x, const Indices& indices, int axis) {
  const int at = normalized_axis(axis, x.rank(), "gather");
  const std::int64_t extent = x.shape()[at];
  check_indices("gather", indices, extent);
  Tensor<T> y = Tensor<T>::uninitialized(replaced("gather", x.shape(), at, 1, indices.shape()));
  kernels::gather_slices(x.shape().size_of_axes(0, at), extent,
                         x.shape().size_of_axes(at + 1, x.rank()), indices.values(),
                         x.value().data(), y.mutable_data());
  return record<T>("gather", {x}, std::move(y), save_nothing,
                   [indices, extent, at](Backward<T>& b) {
                     b.add(0, scatter_add(b.gradient(), indices, extent, at));
                   });
}

template <Scalar T>
Variable<T> scatter_add(const Variable<T>& updates, const Indices& indices, std::int64_t extent,
                        int axis) {
  const char* who = "scatter_add";
  // Negative axes count in the result, in which one axis stands for all of the indices'.
  const int at = normalized_axis(axis, updates.rank() - indices.rank() + 1, who);
  check_updates(updates.shape(), indices.shape(), at);
  if (extent < 0) {
    throw ArgumentError(who, fmt::format("the extent must not be negative; got {}", extent));
  }
  check_indices(who, indices, extent);
  Tensor<T> x =
      Tensor<T>::uninitialized(replaced(who, updates.shape(), at, indices.rank(), Shape{extent}));
  kernels::scatter_add_slices(x.shape().size_of_axes(0, at), extent,
                              x.shape().size_of_axes(at + 1, x.rank()), indices.values(),
                              updates.value().data(), x.mutable_data());
  return record<T>(who, {updates}, std::move(x), save_nothing,
                   [indices, at](Backward<T>& b) { b.add(0, gather(b.gradient(), indices, at)); });
}

template <Scalar T>
Tensor<T> one_hot(const Indices& indices, std::int64_t classes) {
  check_indices("one_hot", indices, classes);
  Tensor<T> y =
      Tensor<T>::zeros(replaced("one_hot", indices.shape(), indices.rank(), 0, Shape{classes}));
  T* const out = y.mutable_data();
  for (std::int64_t i = 0; i < indices.size(); ++i) out[i * classes + indices.data()[i]] = T{1};
  return y;
}

#define LAMINA_INSTANTIATE(T)                                                              \
  template Variable<T> gather(const Variable<T>&, const Indices&, int);                    \
  template Variable<T> scatter_add(const Variable<T>&, const Indices&, std::int64_t, int); \
  template Tensor<T> one_hot(const Indices&, std::int64_t);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
