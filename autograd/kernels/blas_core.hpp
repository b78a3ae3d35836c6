// Which of its kernels OpenBLAS uses on this processor.
//
// OpenBLAS knows processors by their model number. One that is newer than itself gets kernels for a
// Pentium 4 (core "Prescott"), five to eight times slower than the processor allows. The
// instruction sets that the processor reports say better: where OpenBLAS fell back, the core for
// AVX-512 or AVX2 is chosen instead. The environment variable OPENBLAS_CORETYPE keeps the last
// word.
#pragma once

#include <string>

namespace lamina::kernels {

// To be called before the first product, while no other thread is in OpenBLAS.
void choose_blas_core();

// As OpenBLAS calls it: "SkylakeX"; empty in another BLAS.
std::string blas_core();

}  // namespace lamina::kernels
