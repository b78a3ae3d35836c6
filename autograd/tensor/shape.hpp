// Shape: the extents of a dense row-major tensor, rank 0 to 8, stored inline (no allocation).
//
//   Shape image{32, 28, 28, 1};   image.rank() == 4;   image.size() == 25088;   image[-1] == 1
//
// Errors: ShapeError for more than 8 axes, a negative extent, or a number of elements that does not
// fit in 63 bits; an axis outside [-rank, rank) is an ArgumentError.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace lamina {

inline constexpr int kMaxRank = 8;

class Shape {
 public:
  Shape() = default;  // rank 0: a scalar, one element
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  int rank() const noexcept { return rank_; }
  std::int64_t size() const noexcept { return size_; }

  // Extent of an axis; negative axes count from the end.
  std::int64_t operator[](int axis) const { return extents_[checked_axis(axis)]; }

  const std::int64_t* begin() const noexcept { return extents_.data(); }
  const std::int64_t* end() const noexcept { return extents_.data() + rank_; }
  std::span<const std::int64_t> extents() const noexcept { return {begin(), end()}; }

  // The same shape with one extent replaced, removed, or inserted before `axis` (which may be
  // rank()).
  Shape with(int axis, std::int64_t extent) const;
  Shape without(int axis) const;
  Shape inserted(int axis, std::int64_t extent) const;

  // Product of the extents in [first, last).
  std::int64_t size_of_axes(int first, int last) const noexcept;

  bool operator==(const Shape& other) const noexcept {
    if (rank_ != other.rank_ || size_ != other.size_) return false;
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(rank_); ++axis) {
      if (extents_[axis] != other.extents_[axis]) return false;
    }
    return true;
  }

  // The shape (0), that of an undefined tensor.
  static Shape nothing() noexcept {
    Shape shape;
    shape.become_nothing();
    return shape;
  }
  void become_nothing() noexcept {
    extents_[0] = 0;
    rank_ = 1;
    size_ = 0;
  }

  // "(32, 28, 28, 1)", "(7)", "()".
  std::string to_string() const;

 private:
  std::size_t checked_axis(int axis) const;

  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
  std::int64_t size_ = 1;
};

// An axis in [-rank, rank) brought into [0, rank); ArgumentError naming `who` otherwise.
int normalized_axis(int axis, int rank, const char* who);

// NumPy's broadcast of two shapes; ShapeError naming `who` when an axis disagrees.
Shape broadcast_shape(const Shape& a, const Shape& b, const char* who);

// Whether `from` broadcasts to exactly `to`.
bool broadcasts_to(const Shape& from, const Shape& to) noexcept;

}  // namespace lamina
