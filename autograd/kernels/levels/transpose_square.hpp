// A square of kLanes vectors, transposed in registers, for the files of levels/ alone (see
// vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/vector.hpp>

namespace lamina::kernels {
namespace {

// rows[i][j] becomes rows[j][i]: pairs of elements, then pairs of pairs, within each 128 bits; then
// the 128-bit parts.
LAMINA_INLINE void transpose(Vector* rows) {
#if defined(__AVX512F__)
  Vector parts[16];
  unroll<8>([&](auto pair) {
    constexpr int i = 2 * decltype(pair){};
    parts[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    parts[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  });
  unroll<4>([&](auto four) {
    constexpr int i = 4 * decltype(four){};
    rows[i] = _mm512_shuffle_ps(parts[i], parts[i + 2], 0x44);
    rows[i + 1] = _mm512_shuffle_ps(parts[i], parts[i + 2], 0xee);
    rows[i + 2] = _mm512_shuffle_ps(parts[i + 1], parts[i + 3], 0x44);
    rows[i + 3] = _mm512_shuffle_ps(parts[i + 1], parts[i + 3], 0xee);
  });
  unroll<4>([&](auto i) {
    parts[i] = _mm512_shuffle_f32x4(rows[i], rows[i + 4], 0x88);
    parts[i + 4] = _mm512_shuffle_f32x4(rows[i], rows[i + 4], 0xdd);
    parts[i + 8] = _mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], 0x88);
    parts[i + 12] = _mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], 0xdd);
  });
  unroll<8>([&](auto i) {
    rows[i] = _mm512_shuffle_f32x4(parts[i], parts[i + 8], 0x88);
    rows[i + 8] = _mm512_shuffle_f32x4(parts[i], parts[i + 8], 0xdd);
  });
#else
  Vector parts[8];
  unroll<4>([&](auto pair) {
    constexpr int i = 2 * decltype(pair){};
    parts[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    parts[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  });
  unroll<2>([&](auto four) {
    constexpr int i = 4 * decltype(four){};
    rows[i] = _mm256_shuffle_ps(parts[i], parts[i + 2], 0x44);
    rows[i + 1] = _mm256_shuffle_ps(parts[i], parts[i + 2], 0xee);
    rows[i + 2] = _mm256_shuffle_ps(parts[i + 1], parts[i + 3], 0x44);
    rows[i + 3] = _mm256_shuffle_ps(parts[i + 1], parts[i + 3], 0xee);
  });
  unroll<4>([&](auto i) {
    parts[i] = _mm256_permute2f128_ps(rows[i], rows[i + 4], 0x20);
    parts[i + 4] = _mm256_permute2f128_ps(rows[i], rows[i + 4], 0x31);
  });
  unroll<8>([&](auto i) { rows[i] = parts[i]; });
#endif
}

}  // namespace
}  // namespace lamina::kernels
