#include <algorithm>
#include <cstring>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <new>
#include <string>
#include <vector>

namespace lamina {

namespace detail {

Storage* Storage::make(std::size_t bytes) {
  static_assert(sizeof(Storage) <= 64);
  return new (allocate_memory(64 + bytes)) Storage(bytes);
}

void Storage::release(Storage* storage) noexcept {
  const std::size_t bytes = storage->bytes;
  storage->~Storage();
  free_memory(storage, 64 + bytes);
}

}  // namespace detail

namespace {

void require_count(const Shape& shape, std::size_t count) {
  if (shape.size() == static_cast<std::int64_t>(count)) return;
  throw ShapeError("tensor", "the number of values must match the shape; got " +
                                 std::to_string(count) + " values, expected " +
                                 std::to_string(shape.size()) + " for " + shape.to_string());
}

std::string index_text(std::initializer_list<std::int64_t> index) {
  std::string text = "(";
  for (const std::int64_t i : index) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(i);
  }
  return text + ")";
}

}  // namespace

template <Element T>
Tensor<T> Tensor<T>::uninitialized(const Shape& shape) {
  // Far above what any machine has, and far enough below 2^64 that the header still fits.
  constexpr std::size_t kMostBytes = std::size_t{1} << 62;
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::size_t>(shape.size()), sizeof(T), &bytes) ||
      bytes > kMostBytes) {
    throw ShapeError("tensor",
                     "the number of bytes must fit in 62 bits; got shape " + shape.to_string());
  }
  Tensor tensor;
  tensor.storage_ = detail::Storage::make(bytes);
  tensor.shape_ = shape;
  return tensor;
}

template <Element T>
Tensor<T>::Tensor(const Shape& shape, T fill) : Tensor(uninitialized(shape)) {
  std::fill_n(static_cast<T*>(storage_->data()), size(), fill);
}

template <Element T>
Tensor<T>::Tensor(const Shape& shape, std::initializer_list<T> values)
    : Tensor(shape, std::span<const T>(values.begin(), values.size())) {}

template <Element T>
Tensor<T>::Tensor(const Shape& shape, std::span<const T> values) : Tensor() {
  require_count(shape, values.size());
  *this = uninitialized(shape);
  std::copy(values.begin(), values.end(), static_cast<T*>(storage_->data()));
}

template <Element T>
T* Tensor<T>::mutable_data() {
  if (!storage_) return nullptr;
  if (!unique()) {
    Tensor own = uninitialized(shape_);
    std::memcpy(own.storage_->data(), storage_->data(), storage_->bytes);
    *this = std::move(own);
  }
  return static_cast<T*>(storage_->data());
}

template <Element T>
std::int64_t Tensor<T>::offset_of(std::initializer_list<std::int64_t> index) const {
  if (static_cast<int>(index.size()) != rank()) {
    throw ArgumentError("at", "an index must have one entry per axis; got " + index_text(index) +
                                  " for shape " + shape_.to_string());
  }
  std::int64_t offset = 0;
  int axis = 0;
  for (std::int64_t i : index) {
    const std::int64_t extent = shape_[axis++];
    if (i < -extent || i >= extent) {
      throw ArgumentError("at", "indices must lie inside the tensor; got " + index_text(index) +
                                    " for shape " + shape_.to_string());
    }
    offset = offset * extent + (i < 0 ? i + extent : i);
  }
  return offset;
}

template <Element T>
const T& Tensor<T>::at(std::initializer_list<std::int64_t> index) const {
  return data()[offset_of(index)];
}

template <Element T>
void Tensor<T>::set(std::initializer_list<std::int64_t> index, T value) {
  const std::int64_t offset = offset_of(index);
  mutable_data()[offset] = value;
}

template <Element T>
T Tensor<T>::item() const {
  if (size() != 1) {
    throw ShapeError("item",
                     "the tensor must have exactly one element; got shape " + shape_.to_string());
  }
  return data()[0];
}

template <Element T>
Tensor<T> Tensor<T>::reshaped(std::initializer_list<std::int64_t> extents) const {
  std::vector<std::int64_t> resolved(extents);
  const auto open = std::count(resolved.begin(), resolved.end(), -1);
  if (open == 1) {
    std::int64_t known = 1;
    bool overflow = false;
    for (const std::int64_t extent : resolved) {
      overflow = overflow || __builtin_mul_overflow(known, extent == -1 ? 1 : extent, &known);
    }
    if (overflow || known <= 0 || size() % known != 0) {
      throw ShapeError("reshape", "-1 must stand for a whole number; got " + index_text(extents) +
                                      " for shape " + shape_.to_string());
    }
    std::replace(resolved.begin(), resolved.end(), std::int64_t{-1}, size() / known);
  }
  return reshaped(Shape(std::span<const std::int64_t>(resolved)));
}

template <Element T>
Tensor<T> Tensor<T>::reshaped(const Shape& shape) const {
  if (shape.size() != size()) {
    throw ShapeError("reshape", "the number of elements must not change; got " + shape.to_string() +
                                    " for a tensor of shape " + shape_.to_string());
  }
  Tensor result = *this;
  result.shape_ = shape;
  return result;
}

template <Element T>
template <Element U>
Tensor<U> Tensor<T>::cast() const {
  if constexpr (std::same_as<T, U>) {
    return *this;
  } else {
    if (!defined()) return Tensor<U>();
    Tensor<U> result = Tensor<U>::uninitialized(shape_);
    std::transform(data(), data() + size(), result.mutable_data(),
                   [](T value) { return static_cast<U>(value); });
    return result;
  }
}

template <Element T>
bool identical(const Tensor<T>& a, const Tensor<T>& b) {
  if (a.defined() != b.defined() || !(a.shape() == b.shape())) return false;
  return a.size() == 0 || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.bytes())) == 0;
}

#define LAMINA_TENSOR(T)                                               \
  template class Tensor<T>;                                            \
  template bool identical(const Tensor<T>&, const Tensor<T>&);         \
  template Tensor<float> Tensor<T>::cast<float>() const;               \
  template Tensor<double> Tensor<T>::cast<double>() const;             \
  template Tensor<std::int64_t> Tensor<T>::cast<std::int64_t>() const; \
  template Tensor<std::uint8_t> Tensor<T>::cast<std::uint8_t>() const;
LAMINA_TENSOR(float)
LAMINA_TENSOR(double)
LAMINA_TENSOR(std::int64_t)
LAMINA_TENSOR(std::uint8_t)
#undef LAMINA_TENSOR

}  // namespace lamina
