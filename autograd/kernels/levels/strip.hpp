// Some vectors of adjacent floats, the last of them perhaps in part, and loops over rows of them;
// for the files of levels/ alone (see vector.hpp).
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

// Vectors side by side; none stands for the first lanes of one.
template <int whole>
struct Strip {
  static constexpr int vectors = whole > 0 ? whole : 1;
  static constexpr int width = vectors * static_cast<int>(kLanes);

  template <int j>
  LAMINA_INLINE Vector load(const float* row, Constant<j>) const {
    return kernels::load(row + j * kLanes);
  }
  template <int j>
  LAMINA_INLINE void store(float* row, Constant<j>, Vector value) const {
    kernels::store(row + j * kLanes, value);
  }
};
template <>
struct Strip<0> {
  static constexpr int vectors = 1;
  int width;
  Mask lanes;

  explicit LAMINA_INLINE Strip(int of_width) : width(of_width), lanes(first_lanes(of_width)) {}
  LAMINA_INLINE Vector load(const float* row, Constant<0>) const {
    return kernels::load(lanes, row);
  }
  LAMINA_INLINE void store(float* row, Constant<0>, Vector value) const {
    kernels::store(lanes, row, value);
  }
};

// body(begin, strip) for strips that cover `width` floats: of four vectors, as much as there are
// registers for; then of two, of one, and of what is left.
template <class Body>
LAMINA_INLINE void for_strips(std::int64_t width, Body body) {
  std::int64_t begin = 0;
  for (; begin + 4 * kLanes <= width; begin += 4 * kLanes) body(begin, Strip<4>());
  if (begin + 2 * kLanes <= width) {
    body(begin, Strip<2>());
    begin += 2 * kLanes;
  }
  if (begin + kLanes <= width) {
    body(begin, Strip<1>());
    begin += kLanes;
  }
  if (begin < width) body(begin, Strip<0>(static_cast<int>(width - begin)));
}
// At most so many cover `width` floats.
constexpr std::int64_t most_strips(std::int64_t width) { return width / (4 * kLanes) + 3; }

// So few rows a small ghost batch has: they lie far apart, often at distances that share lines of
// the caches.
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
