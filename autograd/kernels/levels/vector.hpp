// Vectors of the instruction set that a file is compiled for: the same names for AVX2 and AVX-512.
//
// For the files of levels/ alone. Everything is in an unnamed namespace, and so has internal
// linkage: an inline function that two levels defined under one name would be merged by the
// linker, and the processor that lacks the wider level would be given it. For the same reason
// these files call no function of the standard library. A test reads their symbols.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <utility>

#define LAMINA_INLINE inline __attribute__((always_inline))

namespace lamina::kernels {
namespace {

#if defined(__AVX512F__)

using Vector = __m512;
constexpr std::int64_t kLanes = 16;
// Rows of the register tile of a product, beside two vectors of columns: 16 of 32 registers.
constexpr std::int64_t kTileRows = 8;

LAMINA_INLINE Vector load(const float* from) { return _mm512_loadu_ps(from); }
LAMINA_INLINE void store(float* to, Vector value) { _mm512_storeu_ps(to, value); }
// To an aligned address; order_stores() must follow before another thread looks.
LAMINA_INLINE void store_past_caches(float* to, Vector value) { _mm512_stream_ps(to, value); }
LAMINA_INLINE Vector broadcast(float value) { return _mm512_set1_ps(value); }
// a b + c and c - a b, each rounded once.
LAMINA_INLINE Vector add_product(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
LAMINA_INLINE Vector subtract_product(Vector a, Vector b, Vector c) {
  return _mm512_fnmadd_ps(a, b, c);
}

// As many doubles as a Vector has floats.
struct Doubles {
  __m512d low, high;
};

LAMINA_INLINE Doubles widen(Vector v) {
  return {_mm512_cvtps_pd(_mm512_castps512_ps256(v)),
          _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))};
}
LAMINA_INLINE Vector narrow(Doubles d) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(d.low)), _mm512_cvtpd_ps(d.high),
                            1);
}

// Eight doubles, whatever the level.
using EightDoubles = __m512d;
LAMINA_INLINE EightDoubles load_eight(const double* from) { return _mm512_loadu_pd(from); }
LAMINA_INLINE EightDoubles scale_eight(double a, EightDoubles b) { return _mm512_set1_pd(a) * b; }
LAMINA_INLINE EightDoubles add_scaled_eight(double a, EightDoubles b, EightDoubles c) {
  return _mm512_fmadd_pd(_mm512_set1_pd(a), b, c);
}
LAMINA_INLINE void store_eight(float* to, EightDoubles value) {
  _mm256_storeu_ps(to, _mm512_cvtpd_ps(value));
}

#else

using Vector = __m256;
constexpr std::int64_t kLanes = 8;
// 12 of 16 registers.
constexpr std::int64_t kTileRows = 6;

LAMINA_INLINE Vector load(const float* from) { return _mm256_loadu_ps(from); }
LAMINA_INLINE void store(float* to, Vector value) { _mm256_storeu_ps(to, value); }
LAMINA_INLINE void store_past_caches(float* to, Vector value) { _mm256_stream_ps(to, value); }
LAMINA_INLINE Vector broadcast(float value) { return _mm256_set1_ps(value); }
// a b + c and c - a b, each rounded once.
LAMINA_INLINE Vector add_product(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
LAMINA_INLINE Vector subtract_product(Vector a, Vector b, Vector c) {
  return _mm256_fnmadd_ps(a, b, c);
}

// As many doubles as a Vector has floats.
struct Doubles {
  __m256d low, high;
};

LAMINA_INLINE Doubles widen(Vector v) {
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
}
LAMINA_INLINE Vector narrow(Doubles d) {
  return _mm256_set_m128(_mm256_cvtpd_ps(d.high), _mm256_cvtpd_ps(d.low));
}

using EightDoubles = Doubles;
LAMINA_INLINE EightDoubles load_eight(const double* from) {
  return {_mm256_loadu_pd(from), _mm256_loadu_pd(from + 4)};
}
LAMINA_INLINE EightDoubles scale_eight(double a, EightDoubles b) {
  return {_mm256_set1_pd(a) * b.low, _mm256_set1_pd(a) * b.high};
}
LAMINA_INLINE EightDoubles add_scaled_eight(double a, EightDoubles b, EightDoubles c) {
  const __m256d factor = _mm256_set1_pd(a);
  return {_mm256_fmadd_pd(factor, b.low, c.low), _mm256_fmadd_pd(factor, b.high, c.high)};
}
LAMINA_INLINE void store_eight(float* to, EightDoubles value) { store(to, narrow(value)); }

#endif

// What the transforms of minimal filtering need, of floats and of doubles.
LAMINA_INLINE Vector scale(double factor, Vector v) {
  return v * broadcast(static_cast<float>(factor));
}
LAMINA_INLINE Vector add_scaled(double factor, Vector v, Vector to) {
  return add_product(broadcast(static_cast<float>(factor)), v, to);
}
LAMINA_INLINE Vector subtract_scaled(double factor, Vector v, Vector from) {
  return subtract_product(broadcast(static_cast<float>(factor)), v, from);
}
LAMINA_INLINE Doubles operator+(Doubles a, Doubles b) { return {a.low + b.low, a.high + b.high}; }
LAMINA_INLINE Doubles operator-(Doubles a, Doubles b) { return {a.low - b.low, a.high - b.high}; }
LAMINA_INLINE Doubles scale(double factor, Doubles v) { return {v.low * factor, v.high * factor}; }
LAMINA_INLINE Doubles add_scaled(double factor, Doubles v, Doubles to) {
  return to + scale(factor, v);
}

// What was stored past the caches is seen before what is stored from here on.
LAMINA_INLINE void order_stores() { _mm_sfence(); }

// Asks for the line of memory to come into the second-level cache.
LAMINA_INLINE void prefetch(const float* from) { _mm_prefetch(from, _MM_HINT_T1); }

// A number that is a constant expression also as the argument of a generic lambda.
template <int value>
struct Constant {
  constexpr operator int() const { return value; }
};

// body(0), ..., body(count - 1) with constants: arrays that are only indexed by them stay in
// registers.
template <int count, class Body>
LAMINA_INLINE constexpr void unroll(Body body) {
  [&]<int... index>(std::integer_sequence<int, index...>) __attribute__((always_inline)) {
    (body(Constant<index>{}), ...);
  }
  (std::make_integer_sequence<int, count>{});
}

// function(first, second) with constants.
template <class Function>
LAMINA_INLINE void with_bools(bool first, bool second, Function function) {
  if (first) {
    second ? function(Constant<1>{}, Constant<1>{}) : function(Constant<1>{}, Constant<0>{});
  } else {
    second ? function(Constant<0>{}, Constant<1>{}) : function(Constant<0>{}, Constant<0>{});
  }
}

}  // namespace
}  // namespace lamina::kernels
