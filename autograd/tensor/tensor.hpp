// Tensor: a dense row-major array of up to 8 axes.
//
// A tensor is a cheap handle on shared, 64-byte aligned storage with value semantics by
// copy-on-write: a copy shares the storage, and mutable_data() gives the handle a storage of its
// own first when it is shared. reshaped() shares as well. There are no strided views: transposing
// and slicing copy.
//
//   Tensor<float> a({2, 3}, {1, 2, 3, 4, 5, 6});
//   Tensor<float> b = a;                  // shares
//   b.mutable_data()[0] = 7;              // b detaches; a.at({0, 0}) is still 1
//
// A default-constructed tensor is undefined: shape (0), no storage, defined() == false.
// Errors: ShapeError (values that do not fit the shape, reshaping to another size, item() of more
// than one element), ArgumentError (an index out of bounds). Memory comes from the caching
// allocator.
// Thread-safety: as std::shared_ptr: distinct handles may be used from distinct threads, also when
// they share storage; one handle must not be written while another thread uses it.
#pragma once

#include <atomic>
#include <initializer_list>
#include <lamina/autograd/tensor/allocator.hpp>
#include <lamina/autograd/tensor/scalar.hpp>
#include <lamina/autograd/tensor/shape.hpp>
#include <span>
#include <utility>

namespace lamina {

namespace detail {

// Counter and data in one allocation: the data begins 64 bytes after the header.
struct Storage {
  std::atomic<std::int64_t> handles{1};
  std::size_t bytes;  // of the data

  explicit Storage(std::size_t size) : bytes(size) {}
  static Storage* make(std::size_t bytes);
  static void release(Storage* storage) noexcept;
  void* data() noexcept { return reinterpret_cast<char*>(this) + 64; }
};

}  // namespace detail

template <Element T>
class Tensor {
 public:
  using value_type = T;

  Tensor() noexcept { shape_.become_nothing(); }
  Tensor(const Shape& shape, T fill);
  Tensor(const Shape& shape, std::initializer_list<T> values);  // row-major
  Tensor(const Shape& shape, std::span<const T> values);

  // Contents are arbitrary; the caller writes every element.
  static Tensor uninitialized(const Shape& shape);
  static Tensor zeros(const Shape& shape) { return Tensor(shape, T{0}); }
  static Tensor ones(const Shape& shape) { return Tensor(shape, T{1}); }
  static Tensor scalar(T value) { return Tensor(Shape{}, value); }

  Tensor(const Tensor& other) noexcept : storage_(other.storage_), shape_(other.shape_) {
    if (storage_) storage_->handles.fetch_add(1, std::memory_order_relaxed);
  }
  Tensor(Tensor&& other) noexcept
      : storage_(std::exchange(other.storage_, nullptr)), shape_(other.shape_) {
    other.shape_.become_nothing();
  }
  Tensor& operator=(const Tensor& other) noexcept { return *this = Tensor(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    if (this == &other) return *this;
    if (storage_) drop();
    storage_ = std::exchange(other.storage_, nullptr);
    shape_ = other.shape_;
    other.shape_.become_nothing();
    return *this;
  }
  ~Tensor() {
    if (storage_) drop();
  }

  bool defined() const noexcept { return storage_ != nullptr; }
  const Shape& shape() const noexcept { return shape_; }
  int rank() const noexcept { return shape_.rank(); }
  std::int64_t size() const noexcept { return shape_.size(); }
  std::int64_t bytes() const noexcept { return size() * static_cast<std::int64_t>(sizeof(T)); }
  static constexpr DType dtype() { return dtype_of<T>(); }

  const T* data() const noexcept {
    return storage_ ? static_cast<const T*>(storage_->data()) : nullptr;
  }
  // Not of a temporary, whose elements a loop over them would outlive.
  std::span<const T> values() const& noexcept { return {data(), static_cast<std::size_t>(size())}; }
  std::span<const T> values() const&& = delete;

  // Writable elements. Where the storage is shared, this handle first gets a copy of its own.
  T* mutable_data();
  std::span<T> mutable_values() {
    T* first = mutable_data();
    return {first, static_cast<std::size_t>(size())};
  }

  // Whether this handle alone owns its storage, so that writing copies nothing.
  bool unique() const noexcept {
    return storage_ && storage_->handles.load(std::memory_order_acquire) == 1;
  }
  bool shares_storage_with(const Tensor& other) const noexcept {
    return storage_ && storage_ == other.storage_;
  }

  // Bounds-checked element; negative indices count from the end.
  const T& at(std::initializer_list<std::int64_t> index) const;
  void set(std::initializer_list<std::int64_t> index, T value);

  // The only element.
  T item() const;

  // The same elements under another shape of the same size; one extent may be -1 and is inferred.
  Tensor reshaped(std::initializer_list<std::int64_t> extents) const;
  Tensor reshaped(const Shape& shape) const;

  // Elements converted as by static_cast.
  template <Element U>
  Tensor<U> cast() const;

 private:
  // The only owner needs no locked instruction to find out that it is the last.
  void drop() noexcept {
    if (storage_->handles.load(std::memory_order_acquire) == 1 ||
        storage_->handles.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      detail::Storage::release(storage_);
    }
  }
  std::int64_t offset_of(std::initializer_list<std::int64_t> index) const;

  detail::Storage* storage_ = nullptr;
  Shape shape_;
};

// Same shape and same bits (so NaN equals itself, and 0.0 differs from -0.0).
template <Element T>
bool identical(const Tensor<T>& a, const Tensor<T>& b);

extern template class Tensor<float>;
extern template class Tensor<double>;
extern template class Tensor<std::int64_t>;
extern template class Tensor<std::uint8_t>;

}  // namespace lamina
