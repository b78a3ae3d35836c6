#include <cstdlib>
#include <lamina/autograd/kernels/blas_core.hpp>

// Absent where OpenBLAS was built for one processor alone, the first also in another BLAS.
extern "C" {
__attribute__((weak)) char* openblas_get_corename();
__attribute__((weak)) void gotoblas_dynamic_init();
__attribute__((weak)) void gotoblas_dynamic_quit();
}

namespace lamina::kernels {
namespace {

// Null: the fallback is what the processor can do.
const char* core_for_this_processor() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    return "SkylakeX";
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

}  // namespace

std::string blas_core() { return openblas_get_corename ? openblas_get_corename() : ""; }

void choose_blas_core() {
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit || std::getenv(kVariable)) return;
  if (blas_core() != "Prescott") return;
  const char* core = core_for_this_processor();
  if (!core) return;
  // OpenBLAS reads the variable when it starts; starting anew is its only way to another core.
  setenv(kVariable, core, 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv(kVariable);
}

}  // namespace lamina::kernels
