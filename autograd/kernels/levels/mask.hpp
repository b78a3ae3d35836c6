// Selection of single lanes of a Vector, for the files of levels/ alone (see vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/vector.hpp>
#include <limits>

namespace lamina::kernels {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();

#if defined(__AVX512F__)

using Mask = __mmask16;

LAMINA_INLINE Mask first_lanes(std::int64_t count) {
  return static_cast<Mask>((std::uint32_t{1} << count) - 1);
}
LAMINA_INLINE Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
LAMINA_INLINE Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }

// Lanes outside of the mask are neither read nor written; what is not read counts as 0.
LAMINA_INLINE Vector load(Mask mask, const float* from) {
  return _mm512_maskz_loadu_ps(mask, from);
}
LAMINA_INLINE void store(Mask mask, float* to, Vector value) {
  _mm512_mask_storeu_ps(to, mask, value);
}
// The value in the lanes of the mask, 0 in the others.
LAMINA_INLINE Vector kept(Mask mask, Vector value) { return _mm512_maskz_mov_ps(mask, value); }

// NaN is not zero and not finite; a ReLU lets its gradient through.
LAMINA_INLINE Mask not_zero(Vector v) {
  return _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}
LAMINA_INLINE Mask finite(Vector v) {
  return _mm512_cmp_ps_mask(_mm512_abs_ps(v), broadcast(kLargest), _CMP_LE_OQ);
}
LAMINA_INLINE Mask positive_or_nan(Vector v) {
  return _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NLE_UQ);
}

// 0 where v is negative; NaN stays.
LAMINA_INLINE Vector positive_part(Vector v) { return _mm512_max_ps(_mm512_setzero_ps(), v); }

// NaN counts as equal to all.
LAMINA_INLINE Mask equal(Vector a, Vector b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_UQ); }
LAMINA_INLINE Mask without(Mask a, Mask b) { return static_cast<Mask>(a & ~b); }
// a in the lanes of the mask, b in the others.
LAMINA_INLINE Vector select(Mask mask, Vector a, Vector b) {
  return _mm512_mask_blend_ps(mask, b, a);
}
// The larger of two; NaN where one is.
LAMINA_INLINE Vector larger(Vector a, Vector b) {
  return select(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a, _mm512_max_ps(a, b));
}

#else

struct Mask {
  __m256 bits;
};

LAMINA_INLINE Mask first_lanes(std::int64_t count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {
      _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes))};
}
LAMINA_INLINE Mask both(Mask a, Mask b) { return {_mm256_and_ps(a.bits, b.bits)}; }
LAMINA_INLINE Mask either(Mask a, Mask b) { return {_mm256_or_ps(a.bits, b.bits)}; }

// Lanes outside of the mask are neither read nor written; what is not read counts as 0.
LAMINA_INLINE Vector load(Mask mask, const float* from) {
  return _mm256_maskload_ps(from, _mm256_castps_si256(mask.bits));
}
LAMINA_INLINE void store(Mask mask, float* to, Vector value) {
  _mm256_maskstore_ps(to, _mm256_castps_si256(mask.bits), value);
}
// The value in the lanes of the mask, 0 in the others.
LAMINA_INLINE Vector kept(Mask mask, Vector value) { return _mm256_and_ps(mask.bits, value); }

// NaN is not zero and not finite; a ReLU lets its gradient through.
LAMINA_INLINE Mask not_zero(Vector v) {
  return {_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ)};
}
LAMINA_INLINE Mask finite(Vector v) {
  const Vector magnitude = _mm256_andnot_ps(broadcast(-0.0F), v);
  return {_mm256_cmp_ps(magnitude, broadcast(kLargest), _CMP_LE_OQ)};
}
LAMINA_INLINE Mask positive_or_nan(Vector v) {
  return {_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NLE_UQ)};
}

// 0 where v is negative; NaN stays.
LAMINA_INLINE Vector positive_part(Vector v) { return _mm256_max_ps(_mm256_setzero_ps(), v); }

// NaN counts as equal to all.
LAMINA_INLINE Mask equal(Vector a, Vector b) { return {_mm256_cmp_ps(a, b, _CMP_EQ_UQ)}; }
LAMINA_INLINE Mask without(Mask a, Mask b) { return {_mm256_andnot_ps(b.bits, a.bits)}; }
// a in the lanes of the mask, b in the others.
LAMINA_INLINE Vector select(Mask mask, Vector a, Vector b) {
  return _mm256_blendv_ps(b, a, mask.bits);
}
// The larger of two; NaN where one is.
LAMINA_INLINE Vector larger(Vector a, Vector b) {
  return select({_mm256_cmp_ps(a, a, _CMP_UNORD_Q)}, a, _mm256_max_ps(a, b));
}

#endif

// The first `count` elements, the rest 0 or left as it is; memory beyond them is not touched.
LAMINA_INLINE Vector load_first(const float* from, std::int64_t count) {
  return load(first_lanes(count), from);
}
LAMINA_INLINE void store_first(float* to, Vector value, std::int64_t count) {
  store(first_lanes(count), to, value);
}
// The same, from memory with gaps: not fast.
LAMINA_INLINE Vector load_first(const float* from, std::int64_t step, std::int64_t count) {
  float values[kLanes] = {};
  for (std::int64_t i = 0; i < count; ++i) values[i] = from[i * step];
  return load(values);
}

LAMINA_INLINE bool aligned(const float* address) {
  return reinterpret_cast<std::uintptr_t>(address) % sizeof(Vector) == 0;
}

}  // namespace
}  // namespace lamina::kernels
