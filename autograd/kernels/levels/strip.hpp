// Some vectors of adjacent floats, the last of them perhaps in part, and loops over rows of them; for
// the files of levels/ alone (see vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/mask.hpp>

namespace lamina::kernels {
namespace {

// A whole vector, or its first lanes, at an address.
struct Full {
  LAMINA_INLINE Vector load(const float* from) const { return kernels::load(from); }
  LAMINA_INLINE void store(float* to, Vector value) const { kernels::store(to, value); }
  LAMINA_INLINE Vector kept(Vector value) const { return value; }
};
struct First {
  Mask lanes;
  LAMINA_INLINE Vector load(const float* from) const { return kernels::load(lanes, from); }
  LAMINA_INLINE void store(float* to, Vector value) const { kernels::store(lanes, to, value); }
  LAMINA_INLINE Vector kept(Vector value) const { return kernels::kept(lanes, value); }
};

// body(lanes, i) for every vector of `length` adjacent floats.
template <class Body>
LAMINA_INLINE void for_lanes(std::int64_t length, Body body) {
  std::int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes) body(Full{}, i);
  if (i < length) body(First{first_lanes(length - i)}, i);
}

// `vectors` vectors of `width` floats in all; with `partial` the last one is not full.
template <int vectors_, bool partial>
struct Strip {
  static constexpr int vectors = vectors_;
  static constexpr bool kPartial = partial;
  int width;
  Mask last;

  explicit LAMINA_INLINE Strip(int of_width)
      : width(of_width), last(first_lanes(of_width - (vectors - 1) * kLanes)) {}

  template <int j>
  LAMINA_INLINE Vector load(const float* row, Constant<j>) const {
    if constexpr (partial && j == vectors - 1) return kernels::load(last, row + j * kLanes);
    return kernels::load(row + j * kLanes);
  }
  template <int j>
  LAMINA_INLINE void store(float* row, Constant<j>, Vector value) const {
    if constexpr (partial && j == vectors - 1) {
      kernels::store(last, row + j * kLanes, value);
    } else {
      kernels::store(row + j * kLanes, value);
    }
  }
};

// body(begin, strip) for strips of up to four vectors that cover `width` floats: as much as there
// are registers for.
template <class Body>
LAMINA_INLINE void for_strips(std::int64_t width, Body body) {
  constexpr int kMost = 4;
  for (std::int64_t begin = 0; begin < width; begin += kMost * kLanes) {
    const int some =
        static_cast<int>(width - begin < kMost * kLanes ? width - begin : kMost * kLanes);
    switch (2 * ((some - 1) / static_cast<int>(kLanes)) + (some % kLanes != 0)) {
      case 0:
        body(begin, Strip<1, false>(some));
        break;
      case 1:
        body(begin, Strip<1, true>(some));
        break;
      case 2:
        body(begin, Strip<2, false>(some));
        break;
      case 3:
        body(begin, Strip<2, true>(some));
        break;
      case 4:
        body(begin, Strip<3, false>(some));
        break;
      case 5:
        body(begin, Strip<3, true>(some));
        break;
      case 6:
        body(begin, Strip<4, false>(some));
        break;
      default:
        body(begin, Strip<4, true>(some));
    }
  }
}

// So few rows a small ghost batch has: they lie far apart, often at distances that share lines of the
// caches.
constexpr int kFewRows = 16;

// body(Constant<4>, r) for rows r to r + 3, and body(Constant<1>, r) for those left over.
template <class Body>
LAMINA_INLINE void for_row_groups(int rows, Body body) {
  int r = 0;
  for (; r + 4 <= rows; r += 4) body(Constant<4>{}, r);
  for (; r < rows; ++r) body(Constant<1>{}, r);
}

// Four vectors, or one, summed as a tree: the shorter the chain, the less it rounds.
LAMINA_INLINE Vector tree_sum(const Vector (&v)[4]) { return (v[0] + v[1]) + (v[2] + v[3]); }
LAMINA_INLINE Vector tree_sum(const Vector (&v)[1]) { return v[0]; }
LAMINA_INLINE Vector tree_dot(const Vector (&a)[4], const Vector (&b)[4]) {
  return add_product(a[1], b[1], a[0] * b[0]) + add_product(a[3], b[3], a[2] * b[2]);
}
LAMINA_INLINE Vector tree_dot(const Vector (&a)[1], const Vector (&b)[1]) { return a[0] * b[0]; }

// The sum of the lanes, halves first.
LAMINA_INLINE float lane_sum(Vector v) {
  float values[kLanes];
  store(values, v);
  for (std::int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::int64_t i = 0; i < half; ++i) values[i] += values[i + half];
  }
  return values[0];
}

}  // namespace
}  // namespace lamina::kernels
