#include <algorithm>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/shape.hpp>

namespace lamina {

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) {
  if (extents.size() > kMaxRank) {
    throw ShapeError("shape", "a tensor must have at most 8 axes; got " +
                                  std::to_string(extents.size()) + ", expected 0 to 8");
  }
  // Extents of zero hide the others from the product, so the bound is checked without them: a slice
  // or reduction of an empty tensor must not overflow either.
  std::int64_t bound = 1;
  for (const std::int64_t extent : extents) {
    if (extent < 0) {
      throw ShapeError("shape", "extents must not be negative; got " + std::to_string(extent));
    }
    if (__builtin_mul_overflow(bound, std::max<std::int64_t>(extent, 1), &bound)) {
      throw ShapeError("shape", "the number of elements must fit in 63 bits; got an overflow");
    }
    extents_[static_cast<std::size_t>(rank_++)] = extent;
    size_ *= extent;
  }
}

std::size_t Shape::checked_axis(int axis) const {
  return static_cast<std::size_t>(normalized_axis(axis, rank_, "shape"));
}

Shape Shape::with(int axis, std::int64_t extent) const {
  auto extents = extents_;
  extents[checked_axis(axis)] = extent;
  return Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(rank_)));
}

Shape Shape::without(int axis) const {
  auto extents = extents_;
  std::copy(extents_.begin() + static_cast<int>(checked_axis(axis)) + 1, extents_.end(),
            extents.begin() + static_cast<int>(checked_axis(axis)));
  return Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(rank_ - 1)));
}

Shape Shape::inserted(int axis, std::int64_t extent) const {
  const int position = normalized_axis(axis, rank_ + 1, "shape");
  std::array<std::int64_t, kMaxRank + 1> extents{};
  std::copy(begin(), begin() + position, extents.begin());
  extents[static_cast<std::size_t>(position)] = extent;
  std::copy(begin() + position, end(), extents.begin() + position + 1);
  return Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(rank_ + 1)));
}

std::int64_t Shape::size_of_axes(int first, int last) const noexcept {
  std::int64_t size = 1;
  for (int axis = first; axis < last; ++axis) size *= extents_[static_cast<std::size_t>(axis)];
  return size;
}

std::string Shape::to_string() const {
  std::string text = "(";
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string(extents_[static_cast<std::size_t>(axis)]);
  }
  return text + ")";
}

int normalized_axis(int axis, int rank, const char* who) {
  if (axis < -rank || axis >= rank) {
    throw ArgumentError(who, "axis must lie in [" + std::to_string(-rank) + ", " +
                                 std::to_string(rank) + "); got " + std::to_string(axis));
  }
  return axis < 0 ? axis + rank : axis;
}

Shape broadcast_shape(const Shape& a, const Shape& b, const char* who) {
  if (a == b) return a;
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, kMaxRank> extents{};
  for (int axis = 0; axis < rank; ++axis) {
    const int axis_a = axis - (rank - a.rank()), axis_b = axis - (rank - b.rank());
    const std::int64_t extent_a = axis_a < 0 ? 1 : a.begin()[axis_a];
    const std::int64_t extent_b = axis_b < 0 ? 1 : b.begin()[axis_b];
    if (extent_a != extent_b && extent_a != 1 && extent_b != 1) {
      throw ShapeError(who, "operands must broadcast to one shape; got " + a.to_string() + " and " +
                                b.to_string());
    }
    extents[static_cast<std::size_t>(axis)] = extent_a == 1 ? extent_b : extent_a;
  }
  return Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(rank)));
}

bool broadcasts_to(const Shape& from, const Shape& to) noexcept {
  const int shift = to.rank() - from.rank();
  if (shift < 0) return false;
  for (int axis = 0; axis < from.rank(); ++axis) {
    const std::int64_t extent = from.begin()[axis];
    if (extent != 1 && extent != to.begin()[axis + shift]) return false;
  }
  return true;
}

}  // namespace lamina
