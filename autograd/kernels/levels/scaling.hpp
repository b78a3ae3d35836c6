// Coefficients of a strip of channels in registers, and how its vectors are written; for the files
// of levels/ alone (see vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/normalization_loops.hpp>
#include <lamina/autograd/kernels/levels/strip.hpp>

namespace lamina::kernels {
namespace {

// y = (x - high) factor + constant.
struct Scaling {
  Vector high, factor, constant;

  LAMINA_INLINE Vector of_centred(Vector centred) const {
    return add_product(centred, factor, constant);
  }
  template <bool relu>
  LAMINA_INLINE Vector of(Vector x) const {
    const Vector y = of_centred(x - high);
    return relu ? positive_part(y) : y;
  }
};

template <class S>
struct StripScaling {
  Scaling of[S::vectors];

  LAMINA_INLINE StripScaling(const S& strip, const ScaleCoefficients& k, std::int64_t begin) {
    unroll<S::vectors>([&](auto j) {
      of[j] = {strip.load(k.high + begin, j), strip.load(k.factor + begin, j),
               strip.load(k.constant + begin, j)};
    });
  }
};

// Streaming goes past the caches, whole vectors to aligned addresses.
template <bool streaming, class S, int j>
LAMINA_INLINE void put(const S& strip, float* row, Constant<j> at, Vector value) {
  if constexpr (streaming) {
    store_past_caches(row + j * kLanes, value);
  } else {
    strip.store(row, at, value);
  }
}

}  // namespace
}  // namespace lamina::kernels
