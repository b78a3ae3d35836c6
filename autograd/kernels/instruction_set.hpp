// The instruction sets that kernels are compiled for, and the one that this process uses.
//
//   baseline   what every processor of the architecture has
//   avx2       x86-64 with AVX2 and FMA
//   avx512     x86-64 with AVX-512 F, VL, DQ and BW, and AVX2 and FMA
//
// The best level of the processor (and of an operating system that saves its registers) is taken;
// the environment variable LAMINA_ISA=baseline|avx2|avx512 forces a lower one. Levels agree within
// rounding, not in their last bits.
// Errors: ArgumentError for a LAMINA_ISA that is no level, or one that the processor lacks: at the
// first kernel that asks, and at each one after it. Thread-safety: any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace lamina::kernels {

enum class InstructionSet : std::uint8_t { baseline, avx2, avx512 };

// The level in use. LAMINA_ISA is read once, at the first call.
InstructionSet instruction_set();

// The best level of this processor.
InstructionSet best_instruction_set() noexcept;

// The level that LAMINA_ISA=`wanted` stands for where `best` is the best one; empty means `best`.
InstructionSet choose_instruction_set(std::string_view wanted, InstructionSet best);

const char* to_string(InstructionSet level) noexcept;

// Floats of a vector of the level; 1 where no kernels are compiled for it.
constexpr std::int64_t float_lanes(InstructionSet level) noexcept {
  return level == InstructionSet::avx512 ? 16 : level == InstructionSet::avx2 ? 8 : 1;
}

}  // namespace lamina::kernels
