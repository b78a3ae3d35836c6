// The instruction sets that this machine has, the baseline first.
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>
#include <vector>

namespace lamina::test {

inline std::vector<kernels::InstructionSet> levels_here() {
  using kernels::InstructionSet;
  std::vector<InstructionSet> result;
  for (const InstructionSet level :
       {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
    if (level <= kernels::best_instruction_set()) result.push_back(level);
  }
  return result;
}

// Those that have kernels of their own.
inline std::vector<kernels::InstructionSet> levels_with_kernels() {
  std::vector<kernels::InstructionSet> result = levels_here();
  result.erase(result.begin());
  return result;
}

}  // namespace lamina::test
