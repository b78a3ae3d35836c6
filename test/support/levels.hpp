// The instruction sets that this machine can run kernels of, for tests that force each.
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>
#include <vector>

namespace lamina::test {

inline std::vector<kernels::InstructionSet> levels_with_kernels() {
  std::vector<kernels::InstructionSet> levels;
  for (const auto level : {kernels::InstructionSet::avx2, kernels::InstructionSet::avx512}) {
    if (level <= kernels::best_instruction_set()) levels.push_back(level);
  }
  return levels;
}

}  // namespace lamina::test
