// lamina_bench: lamina's side of the comparison. scripts/bench.sh runs it beside its peers.
#include <cases.hpp>
#include <lamina/autograd/kernels/gemm.hpp>
#include <lamina/lamina.hpp>
#include <support/harness.hpp>

#ifdef __clang__
#define LAMINA_COMPILER "clang " __VERSION__
#else
#define LAMINA_COMPILER "g++ " __VERSION__
#endif

// OpenBLAS tells which of its flavours was loaded.
extern "C" char* openblas_get_config();
extern "C" int openblas_get_num_threads();

namespace {

std::map<std::string, std::string> about() {
  return {{"version", std::string("lamina ") + lamina::version()},
          {"threads", std::to_string(lamina::threads()) + " (own pool)"},
          {"BLAS", std::string(openblas_get_config()) + ", " +
                       std::to_string(openblas_get_num_threads()) + " thread per call"},
          {"allocator", "lamina's caching allocator, as it comes"},
          {"compiler", LAMINA_COMPILER ", " LAMINA_BENCH_FLAGS}};
}

}  // namespace

int main(int argc, char** argv) {
  bench::add_machine();
  bench::add_batch_normalization();
  bench::add_batch_normalization_options();
  bench::add_fused_blocks();
  bench::add_convolution();
  bench::add_dense();
  bench::add_matrix_product();
  bench::add_tape();
  bench::add_training_step();
  bench::add_cnn_layers();
  return bench::run(argc, argv,
                    {.name = "lamina",
                     .set_threads = [](int count) { lamina::set_threads(count); },
                     .on_every_thread =
                         [](const std::function<void()>& call) {
                           lamina::kernels::use_one_blas_thread();
                           lamina::parallel_for(lamina::threads(), [&](std::int64_t) { call(); });
                         },
                     .about = about});
}
