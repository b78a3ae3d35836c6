// Which loops a level has for the normalizations (levels/normalization_loops.hpp), and a Block as
// they take it; only the .cpp files of this folder and tests include this.
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/kernels/levels/normalization_loops.hpp>
#include <lamina/autograd/kernels/norm_blocks.hpp>
#include <lamina/autograd/tensor/scalar.hpp>
#include <type_traits>

namespace lamina::kernels {

// Null for the baseline.
const NormalizationLoops* normalization_loops(InstructionSet level);

// Null for other scalars than float, too.
template <Scalar T>
const NormalizationLoops* loops_for(InstructionSet level) {
  return std::is_same_v<T, float> ? normalization_loops(level) : nullptr;
}

// The weights of a block's rows, gathered; none where there are no weights.
struct RowWeights {
  float of_row[Block::kRows];
  int rows;
  bool given;

  RowWeights(const Block& block, const float* of_place) : rows(block.rows), given(of_place) {
    if (!given) return;
    for (int r = 0; r < rows; ++r) of_row[r] = of_place[block.place[r]];
  }

  // In four chains: one would take longer than to sum the rows.
  double sum() const {
    if (!given) return rows;
    double sums[4] = {};
    for (int r = 0; r < rows; ++r) sums[r % 4] += static_cast<double>(of_row[r]);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }
};

inline BlockRows rows_of(const Block& block, const RowWeights& weights) {
  return {.count = block.rows,
          .offset = block.offset,
          .weights = weights.given ? weights.of_row : nullptr};
}
inline BlockRuns runs_of(const Block& block, const float* weights) {
  return {.count = block.rows,
          .length = block.length,
          .offset = block.offset,
          .weights = weights,
          .place = block.place};
}

}  // namespace lamina::kernels
