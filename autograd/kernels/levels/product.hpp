// A small matrix product in registers, for the files of levels/ alone (see vector.hpp):
//
//   c[row][column] = sum_k a[row][k] b[k][column]      or, with add, += the sum
//
// Columns lie in panels of kLanes; rows are taken kTileRows at a time and may be read and written
// past `rows`, up to the next multiple of kTileRows. At most `chain` products are summed before
// they are added to c, in order of k: a sum in chains rounds less than one long chain.
#pragma once

#include <lamina/autograd/kernels/levels/vector.hpp>

namespace lamina::kernels {
namespace {

// Element (row, k) at data[row * row_step + k * inner_step].
struct LeftOperand {
  const float* data;
  std::int64_t row_step;
  std::int64_t inner_step;
};

// Vector k (or row) of a panel at data[panel * panel_step + k * step].
template <class Float>
struct Panels {
  Float* data;
  std::int64_t panel_step;
  std::int64_t step;
};

// The sums of one chain: sum[row * panels + panel], in registers.
template <int rows, int panels>
LAMINA_INLINE void sum_products(LeftOperand a, Panels<const float> b, std::int64_t inner,
                                Vector* sum) {
  unroll<rows * panels>([&](auto i) { sum[i] = broadcast(0); });
#pragma GCC unroll 4
  for (std::int64_t k = 0; k < inner; ++k) {
    Vector right[panels];
    unroll<panels>([&](auto panel) { right[panel] = load(b.data + panel * b.panel_step); });
    unroll<rows>([&](auto row) {
      const Vector left = broadcast(a.data[row * a.row_step]);
      unroll<panels>([&](auto panel) {
        constexpr int at = decltype(row){} * panels + decltype(panel){};
        sum[at] = add_product(left, right[panel], sum[at]);
      });
    });
    a.data += a.inner_step;
    b.data += b.step;
  }
}

template <int panels>
LAMINA_INLINE void register_tile(LeftOperand a, Panels<const float> b, std::int64_t inner,
                                 std::int64_t chain, bool add, Panels<float> c) {
  constexpr int rows = kTileRows;
  for (std::int64_t begin = 0; begin < inner; begin += chain, add = true) {
    const std::int64_t length = chain < inner - begin ? chain : inner - begin;
    Vector sum[rows * panels];
    sum_products<rows, panels>(a, b, length, sum);
    a.data += length * a.inner_step;
    b.data += length * b.step;
    const auto at = [&](int i) { return c.data + i % panels * c.panel_step + i / panels * c.step; };
    if (add) {
      unroll<rows * panels>([&](auto i) { store(at(i), load(at(i)) + sum[i]); });
    } else {
      unroll<rows * panels>([&](auto i) { store(at(i), sum[i]); });
    }
  }
}

LAMINA_INLINE void product(std::int64_t rows, std::int64_t panels, std::int64_t inner,
                           std::int64_t chain, bool add, LeftOperand a, Panels<const float> b,
                           Panels<float> c) {
  for (std::int64_t panel = 0; panel < panels; panel += 2) {
    const Panels<const float> right{b.data + panel * b.panel_step, b.panel_step, b.step};
    for (std::int64_t row = 0; row < rows; row += kTileRows) {
      const LeftOperand left{a.data + row * a.row_step, a.row_step, a.inner_step};
      const Panels<float> to{c.data + panel * c.panel_step + row * c.step, c.panel_step, c.step};
      if (panel + 1 < panels) {
        register_tile<2>(left, right, inner, chain, add, to);
      } else {
        register_tile<1>(left, right, inner, chain, add, to);
      }
    }
  }
}

}  // namespace
}  // namespace lamina::kernels
