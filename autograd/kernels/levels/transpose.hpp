// What an instruction set has for transposing matrices. Used by strided_copy.cpp.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// out[j * out_step + i] = in[i * in_step + j] for i < rows, j < columns.
using Transpose = void (*)(const float* in, std::int64_t in_step, std::int64_t rows,
                           std::int64_t columns, float* out, std::int64_t out_step);

// Defined by levels/transpose.cpp, which is compiled once per level.
namespace avx2 {
Transpose transpose();
}
namespace avx512 {
Transpose transpose();
}

}  // namespace lamina::kernels
