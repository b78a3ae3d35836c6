// How a tile of registers reaches its rows, and what it adds for one value of each; for the files of
// levels/ alone (see vector.hpp).
#pragma once

#include <lamina/autograd/kernels/levels/vector.hpp>

namespace lamina::kernels {
namespace {

// Rows of a tile that meet so many vectors: with these and one value of a row, the sums fill the
// registers, 31 of 32 or 15 of 16.
constexpr int most_rows([[maybe_unused]] int vectors) {
#if defined(__AVX512F__)
  return 14;
#else
  return vectors == 1 ? 12 : 6;
#endif
}

// One address per row of a tile would not fit in the registers for addresses. From two places and
// three distances an x86 address reaches 14 rows.
struct RowAddresses {
  LAMINA_INLINE explicit RowAddresses(std::int64_t step)
      : one(step * static_cast<std::int64_t>(sizeof(float))), three(3 * one), five(5 * one) {
    // Keeps the compiler from computing them anew from `one`, in the loop.
    asm("" : "+r"(three), "+r"(five));
  }

  LAMINA_INLINE void begin(const float* x) {
    low = reinterpret_cast<const char*>(x);
    high = low + 7 * one;
    asm("" : "+r"(high));
  }
  LAMINA_INLINE void advance() {
    low += sizeof(float);
    high += sizeof(float);
  }
  // `ahead` floats behind where it began.
  template <int row, int ahead = 0>
  LAMINA_INLINE float value() const {
    const char* const base = row < 7 ? low : high;
    constexpr int i = row % 7;
    const std::int64_t distance = i == 3 ? three : i == 5 ? five : i == 6 ? 2 * three : i * one;
    return reinterpret_cast<const float*>(base + distance)[ahead];
  }

  std::int64_t one, three, five;
  const char* low;
  const char* high;
};

// sum[row][vector] += the row's value times the vector.
template <int rows, int vectors>
LAMINA_INLINE void add_row_products(const RowAddresses& x, const float* from, Vector* sum) {
  Vector right[vectors];
  unroll<vectors>([&](auto v) { right[v] = load(from + v * kLanes); });
  unroll<rows>([&](auto row) {
    const Vector left = broadcast(x.template value<decltype(row){}>());
    unroll<vectors>([&](auto v) {
      constexpr int at = decltype(row){} * vectors + decltype(v){};
      sum[at] = add_product(left, right[v], sum[at]);
    });
  });
}

}  // namespace
}  // namespace lamina::kernels
