// What the machine can do: multiply-adds in registers, and passes over memory that do nothing else.
//
// The limits that other cases are measured against (support/limits.hpp). Times are per GFLOP, and
// per pass over tensors of the sizes that batch normalization is measured with.
#include <cases.hpp>
#include <support/harness.hpp>
#include <support/inputs.hpp>
#include <support/limits.hpp>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bench {
namespace {

constexpr int kChains = 12;  // more than latency times throughput of any level
constexpr std::int64_t kRounds = 1 << 14;
constexpr std::int64_t kTilesPerThread = 8;

// The compiler must believe that somebody reads this.
void keep(float value) { asm volatile("" : : "g"(value)); }

// Multiplies and adds `kRounds` times in every chain.
using MultiplyAdd = void (*)();

void multiply_add_plain() {
  float sums[4 * kChains] = {};
  for (std::int64_t round = 0; round < kRounds; ++round) {
    for (float& sum : sums) sum = sum * 0.5f + 1.0f;
  }
  for (const float sum : sums) keep(sum);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void multiply_add_avx2() {
  const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f);
  __m256 sums[kChains];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (std::int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = _mm256_fmadd_ps(sums[i], half, one);
  }
  for (const __m256& sum : sums) keep(_mm256_cvtss_f32(sum));
}

__attribute__((target("avx512f"))) void multiply_add_avx512() {
  const __m512 half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1.0f);
  __m512 sums[kChains];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (std::int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_fmadd_ps(sums[i], half, one);
  }
  for (const __m512& sum : sums) keep(_mm512_cvtss_f32(sum));
}
#endif

void add_multiply_add(const char* level, MultiplyAdd function, int lanes) {
  add(std::string("machine/fma/") + level, [=] {
    const std::int64_t tiles = kTilesPerThread * lamina::threads();
    return Work{.run = [=] { lamina::parallel_for(tiles, [=](std::int64_t) { function(); }); },
                .units = 1e-9 * 2.0 * lanes * kChains * static_cast<double>(kRounds * tiles)};
  });
}

// Passes over one tile's share; `count` is a multiple of 32 and everything is aligned to 32 bytes.
struct Memory {
  const float *a, *b;
  float* out;
};
using Pass = void (*)(const Memory&, std::int64_t begin, std::int64_t end);

void read_plain(const Memory& m, std::int64_t begin, std::int64_t end) {
  float sums[32] = {};
  for (std::int64_t i = begin; i < end; i += 32) {
    for (int k = 0; k < 32; ++k) sums[k] += m.a[i + k];
  }
  for (const float sum : sums) keep(sum);
}
void copy_plain(const Memory& m, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) m.out[i] = m.a[i] + 1;
}
void sum_plain(const Memory& m, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) m.out[i] = m.a[i] + m.b[i];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void read_avx2(const Memory& m, std::int64_t begin,
                                               std::int64_t end) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  for (std::int64_t i = begin; i < end; i += 32) {
    s0 = _mm256_add_ps(s0, _mm256_load_ps(m.a + i));
    s1 = _mm256_add_ps(s1, _mm256_load_ps(m.a + i + 8));
    s2 = _mm256_add_ps(s2, _mm256_load_ps(m.a + i + 16));
    s3 = _mm256_add_ps(s3, _mm256_load_ps(m.a + i + 24));
  }
  keep(_mm256_cvtss_f32(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3))));
}
template <bool kTwoInputs, bool kNonTemporal>
__attribute__((target("avx2"))) void write_avx2(const Memory& m, std::int64_t begin,
                                                std::int64_t end) {
  const __m256 one = _mm256_set1_ps(1);
  for (std::int64_t i = begin; i < end; i += 8) {
    const __m256 y =
        _mm256_add_ps(_mm256_load_ps(m.a + i), kTwoInputs ? _mm256_load_ps(m.b + i) : one);
    kNonTemporal ? _mm256_stream_ps(m.out + i, y) : _mm256_store_ps(m.out + i, y);
  }
  if (kNonTemporal) _mm_sfence();
}
#endif

void add_pass(const char* pass, const char* kind, std::int64_t elements, Pass function) {
  add(pass_name(pass, elements) + "/" + kind, [=] {
    struct Tensors {
      lamina::Tensor<float> a, b, out;
    };
    const auto tensors = std::make_shared<Tensors>(
        Tensors{{{elements}, 1.0f}, {{elements}, 1.0f}, {{elements}, 1.0f}});
    const std::int64_t tiles = kTilesPerThread * lamina::threads();
    return Work{.run = [=] {
      const Memory memory{tensors->a.data(), tensors->b.data(), tensors->out.mutable_data()};
      const std::int64_t share = (elements / 32 + tiles - 1) / tiles * 32;
      lamina::parallel_for(tiles, [&](std::int64_t tile) {
        function(memory, std::min(tile * share, elements), std::min((tile + 1) * share, elements));
      });
    }};
  });
}

void add_passes(std::int64_t elements) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    add_pass("read", "avx2", elements, read_avx2);
    add_pass("copy", "ordinary", elements, write_avx2<false, false>);
    add_pass("copy", "non_temporal", elements, write_avx2<false, true>);
    add_pass("sum", "ordinary", elements, write_avx2<true, false>);
    add_pass("sum", "non_temporal", elements, write_avx2<true, true>);
    return;
  }
#endif
  add_pass("read", "plain", elements, read_plain);
  add_pass("copy", "plain", elements, copy_plain);
  add_pass("sum", "plain", elements, sum_plain);
}

}  // namespace

void add_machine() {
  add_multiply_add("baseline", multiply_add_plain, 4);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    add_multiply_add("avx2", multiply_add_avx2, 8);
  }
  if (__builtin_cpu_supports("avx512f")) add_multiply_add("avx512", multiply_add_avx512, 16);
#endif
  for (const ImageShape& shape : kNormalizedImages) add_passes(shape.size());
  for (const MatrixShape& shape : kNormalizedMatrices) add_passes(shape.rows * shape.columns);
}

}  // namespace bench
