#include <cstdlib>
#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <string>

namespace lamina::kernels {

namespace {
constexpr InstructionSet kLevels[] = {InstructionSet::baseline, InstructionSet::avx2,
                                      InstructionSet::avx512};
}  // namespace

const char* to_string(InstructionSet level) noexcept {
  switch (level) {
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::baseline:
      break;
  }
  return "baseline";
}

InstructionSet best_instruction_set() noexcept {
#if defined(__x86_64__)
  // These ask the operating system too: registers that it does not save do not count.
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return InstructionSet::baseline;
  }
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  return wide ? InstructionSet::avx512 : InstructionSet::avx2;
#else
  return InstructionSet::baseline;
#endif
}

InstructionSet choose_instruction_set(std::string_view wanted, InstructionSet best) {
  if (wanted.empty()) return best;
  for (const InstructionSet level : kLevels) {
    if (wanted != to_string(level)) continue;
    if (level <= best) return level;
    throw ArgumentError("LAMINA_ISA", "the processor must have the level; got " +
                                          std::string(wanted) + ", expected at most " +
                                          to_string(best));
  }
  throw ArgumentError("LAMINA_ISA",
                      "the level must be baseline, avx2 or avx512; got " + std::string(wanted));
}

InstructionSet instruction_set() {
  static const InstructionSet level = [] {
    const char* wanted = std::getenv("LAMINA_ISA");
    return choose_instruction_set(wanted ? wanted : "", best_instruction_set());
  }();
  return level;
}

}  // namespace lamina::kernels
