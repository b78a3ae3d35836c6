// A processor that OpenBLAS does not know by its number still gets kernels for what it can do.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <lamina/autograd/kernels/blas_core.hpp>
#include <lamina/autograd/kernels/gemm.hpp>

namespace lamina::kernels {
namespace {

BOOST_AUTO_TEST_SUITE(blas_core)

BOOST_AUTO_TEST_CASE(is_no_fallback_where_the_processor_can_do_more) {
  use_one_blas_thread();  // links the products, which choose the core
  BOOST_TEST_MESSAGE("OpenBLAS core: " << kernels::blas_core());
  const bool asked = std::getenv("OPENBLAS_CORETYPE") != nullptr;
#if defined(__x86_64__)
  const bool capable = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  const bool capable = false;
#endif
  BOOST_TEST((asked || !capable || kernels::blas_core() != "Prescott"));
  const std::string before = kernels::blas_core();
  choose_blas_core();
  BOOST_TEST(kernels::blas_core() == before);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
