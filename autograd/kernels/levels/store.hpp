// Loads and stores of another kind than vector.hpp's, for the files of levels/ alone.
//
// With a mask: the first lanes of a vector, for the last one of a number of channels that is no
// multiple of kLanes. What lies behind them is neither read nor written.
// stream: to an aligned place, past the cache. finish_streams() before another thread may read.
#pragma once

#include <lamina/autograd/kernels/levels/vector.hpp>

namespace lamina::kernels {
namespace {

#if defined(__AVX512F__)

using LaneMask = __mmask16;

LAMINA_INLINE LaneMask first_lanes(std::int64_t count) {
  return static_cast<LaneMask>((1U << count) - 1);
}
LAMINA_INLINE Vector load(const float* from, LaneMask mask) {
  return _mm512_maskz_loadu_ps(mask, from);
}
LAMINA_INLINE void store(float* to, Vector value, LaneMask mask) {
  _mm512_mask_storeu_ps(to, mask, value);
}

LAMINA_INLINE void stream(float* to, Vector value) { _mm512_stream_ps(to, value); }

#else

using LaneMask = __m256i;

constexpr std::int32_t kLaneBits[2 * kLanes] = {-1, -1, -1, -1, -1, -1, -1, -1};

LAMINA_INLINE LaneMask first_lanes(std::int64_t count) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLaneBits + kLanes - count));
}
LAMINA_INLINE Vector load(const float* from, LaneMask mask) {
  return _mm256_maskload_ps(from, mask);
}
LAMINA_INLINE void store(float* to, Vector value, LaneMask mask) {
  _mm256_maskstore_ps(to, mask, value);
}
LAMINA_INLINE void stream(float* to, Vector value) { _mm256_stream_ps(to, value); }

#endif

LAMINA_INLINE void finish_streams() { _mm_sfence(); }

}  // namespace
}  // namespace lamina::kernels
