// What an instruction set has for transposing matrices. Used by strided_copy.cpp.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// out[j * out_step + i] = in[i * in_step + j] for i < rows, j < columns. With `past_caches` out is
// written around the caches where its rows are aligned to vectors.
using Transpose = void (*)(const float* in, std::int64_t in_step, std::int64_t rows,
                           std::int64_t columns, float* out, std::int64_t out_step,
                           bool past_caches);

// Defined by levels/transpose.cpp, which is compiled once per level.
namespace avx2 {
Transpose transpose();
}
namespace avx512 {
Transpose transpose();
}

}  // namespace lamina::kernels
