#include <lamina/autograd/kernels/normalization_level.hpp>
#include <lamina/autograd/kernels/of_level.hpp>

namespace lamina::kernels {

const NormalizationLoops* normalization_loops(InstructionSet level) {
  return LAMINA_OF_LEVEL(level, normalization_loops());
}

}  // namespace lamina::kernels
