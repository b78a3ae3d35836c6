// Neighbouring elements taken apart and put together, for the files of levels/ alone (see
// vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/vector.hpp>

namespace lamina::kernels {
namespace {

struct Pair {
  Vector first, second;
};

// Two vectors of adjacent elements become those at even and those at odd places; and back.
#if defined(__AVX512F__)

LAMINA_INLINE Pair take_apart(Pair adjacent) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return {_mm512_permutex2var_ps(adjacent.first, even, adjacent.second),
          _mm512_permutex2var_ps(adjacent.first, odd, adjacent.second)};
}
LAMINA_INLINE Pair put_together(Pair apart) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high =
      _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  return {_mm512_permutex2var_ps(apart.first, low, apart.second),
          _mm512_permutex2var_ps(apart.first, high, apart.second)};
}

#else

LAMINA_INLINE Vector halves_in_order(Vector v) {
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xd8));
}
LAMINA_INLINE Pair take_apart(Pair adjacent) {
  return {halves_in_order(_mm256_shuffle_ps(adjacent.first, adjacent.second, 0x88)),
          halves_in_order(_mm256_shuffle_ps(adjacent.first, adjacent.second, 0xdd))};
}
LAMINA_INLINE Pair put_together(Pair apart) {
  const Vector low = _mm256_unpacklo_ps(apart.first, apart.second);
  const Vector high = _mm256_unpackhi_ps(apart.first, apart.second);
  return {_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)};
}

#endif

}  // namespace
}  // namespace lamina::kernels
