#include <lamina/autograd/kernels/normalization_level.hpp>

namespace lamina::kernels {

const NormalizationLoops* normalization_loops(InstructionSet level) {
  switch (level) {
#if defined(__x86_64__)
    case InstructionSet::avx512:
      return &avx512::normalization_loops();
    case InstructionSet::avx2:
      return &avx2::normalization_loops();
#endif
    default:
      return nullptr;
  }
}

}  // namespace lamina::kernels
