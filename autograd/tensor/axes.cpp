#include <algorithm>
#include <lamina/autograd/tensor/axes.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {

Axes::Axes(std::span<const int> axes) {
  if (axes.size() > kMaxRank) {
    throw ArgumentError("axes", "there must be at most 8 axes; got " + std::to_string(axes.size()));
  }
  std::copy(axes.begin(), axes.end(), axes_.begin());
  count_ = static_cast<int>(axes.size());
}

unsigned Axes::mask(int rank, const char* who) const {
  if (every()) return (1u << rank) - 1;
  unsigned mask = 0;
  for (const int axis : list()) {
    const unsigned bit = 1u << normalized_axis(axis, rank, who);
    if (mask & bit) {
      throw ArgumentError(who, "no axis must be named twice; got " + std::to_string(axis));
    }
    mask |= bit;
  }
  return mask;
}

Shape reduced_shape(const Shape& shape, unsigned mask, bool keepdims) {
  std::array<std::int64_t, kMaxRank> extents{};
  std::size_t rank = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool reduced = (mask >> axis) & 1;
    if (reduced && !keepdims) continue;
    extents[rank++] = reduced ? 1 : shape.begin()[axis];
  }
  return Shape(std::span<const std::int64_t>(extents.data(), rank));
}

}  // namespace lamina
