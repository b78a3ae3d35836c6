#include <lamina/autograd/kernels/broadcast.hpp>

namespace lamina::kernels {

namespace {

using Strides = std::array<std::int64_t, kMaxRank>;

// The strides of an operand along the axes of the result; 0 where it is broadcast.
Strides strides_along(const Shape& shape, const Shape& operand) {
  Strides strides{};
  std::int64_t stride = 1;
  const int shift = shape.rank() - operand.rank();
  for (int axis = shape.rank(); axis-- > shift;) {
    const std::int64_t extent = operand.begin()[axis - shift];
    strides[static_cast<std::size_t>(axis)] = extent == 1 ? 0 : stride;
    stride *= extent;
  }
  return strides;
}

}  // namespace

unsigned BroadcastPlan::still_operands(int count) const noexcept {
  unsigned still = 0;
  for (int k = 0; k < count; ++k) {
    if (strides[static_cast<std::size_t>(k)][static_cast<std::size_t>(rank - 1)] == 0) {
      still |= 1u << k;
    }
  }
  return still;
}

BroadcastPlan plan_broadcast(const Shape& shape, std::span<const Shape* const> operands) {
  std::array<Strides, BroadcastPlan::kOperands> strides{};
  for (std::size_t k = 0; k < operands.size(); ++k) {
    strides[k] = strides_along(shape, *operands[k]);
  }
  BroadcastPlan plan;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto from = static_cast<std::size_t>(axis);
    const std::int64_t extent = shape.begin()[axis];
    if (extent == 1) continue;
    bool joins = plan.rank > 0;
    const std::size_t previous = plan.rank > 0 ? static_cast<std::size_t>(plan.rank - 1) : 0;
    for (std::size_t k = 0; k < operands.size() && joins; ++k) {
      joins = plan.strides[k][previous] == strides[k][from] * extent;
    }
    const std::size_t to = joins ? previous : static_cast<std::size_t>(plan.rank++);
    plan.extents[to] = joins ? plan.extents[to] * extent : extent;
    for (std::size_t k = 0; k < operands.size(); ++k) plan.strides[k][to] = strides[k][from];
  }
  if (plan.rank == 0) {
    plan.rank = 1;
    plan.extents[0] = 1;
  }
  return plan;
}

}  // namespace lamina::kernels
