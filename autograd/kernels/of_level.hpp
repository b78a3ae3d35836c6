// What is compiled once per level of the instruction set (levels/), by the level:
//
//   const LineFilter* filter = LAMINA_OF_LEVEL(level, line_filter(taps));
//
// The expression is a pointer, and is looked up in the level's namespace, avx2 or avx512. Null at
// the level `baseline`, and on processors for which no level is compiled.
#pragma once

#include <lamina/autograd/kernels/instruction_set.hpp>

#if defined(__x86_64__)
#define LAMINA_OF_LEVEL(level, ...)                                                              \
  ((level) == ::lamina::kernels::InstructionSet::avx512 ? ::lamina::kernels::avx512::__VA_ARGS__ \
   : (level) == ::lamina::kernels::InstructionSet::avx2 ? ::lamina::kernels::avx2::__VA_ARGS__   \
                                                        : nullptr)
#else
#define LAMINA_OF_LEVEL(level, ...) (static_cast<void>(level), nullptr)
#endif
