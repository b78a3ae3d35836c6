// How up to three operands are walked over the shape they broadcast to.
//
// Axes of extent 1 vanish and neighbours that every operand walks alike become one: what is left
// has the fewest axes possible, and along the last of them an operand either advances by one or
// stands still. So (32, 14, 14, 64) with (64) is two axes, 6272 rows of 64; with (32, 1, 1, 64) it
// is three.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <lamina/autograd/tensor/shape.hpp>
#include <span>

namespace lamina::kernels {

struct BroadcastPlan {
  static constexpr int kOperands = 3;

  int rank = 0;  // at least 1
  std::array<std::int64_t, kMaxRank> extents{};
  std::array<std::array<std::int64_t, kMaxRank>, kOperands> strides{};  // 0: stands still

  std::int64_t row_length() const noexcept { return extents[static_cast<std::size_t>(rank - 1)]; }
  // Bit k is set when operand k stands still along a row.
  unsigned still_operands(int count) const noexcept;
};

// `shape` is what the operands broadcast to.
BroadcastPlan plan_broadcast(const Shape& shape, std::span<const Shape* const> operands);

// Calls row(first, offsets, count) for every row, or part of one, in the elements [begin, end) of
// the result: `count` elements from `first` on, which operand k reads from offsets[k] on.
template <std::size_t Operands, class Row>
void for_rows(const BroadcastPlan& plan, std::int64_t begin, std::int64_t end, Row row) {
  const int outer = plan.rank - 1;
  const std::int64_t length = plan.row_length();
  std::array<std::int64_t, kMaxRank> index{};
  std::array<std::int64_t, Operands> offsets{};
  std::int64_t rest = begin / length;
  for (int axis = outer; axis-- > 0;) {
    const auto a = static_cast<std::size_t>(axis);
    index[a] = rest % plan.extents[a];
    rest /= plan.extents[a];
    for (std::size_t k = 0; k < Operands; ++k) offsets[k] += index[a] * plan.strides[k][a];
  }
  const auto last = static_cast<std::size_t>(outer);
  std::int64_t skipped = begin % length;
  while (begin < end) {
    const std::int64_t count = std::min(length - skipped, end - begin);
    std::array<std::int64_t, Operands> start = offsets;
    for (std::size_t k = 0; k < Operands; ++k) start[k] += skipped * plan.strides[k][last];
    row(begin, start, count);
    begin += count;
    skipped = 0;
    for (int axis = outer; axis-- > 0;) {
      const auto a = static_cast<std::size_t>(axis);
      for (std::size_t k = 0; k < Operands; ++k) offsets[k] += plan.strides[k][a];
      if (++index[a] < plan.extents[a]) break;
      for (std::size_t k = 0; k < Operands; ++k) offsets[k] -= index[a] * plan.strides[k][a];
      index[a] = 0;
    }
  }
}

}  // namespace lamina::kernels
