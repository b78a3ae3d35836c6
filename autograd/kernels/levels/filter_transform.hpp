// The one-dimensional transforms of minimal filtering F(m, r): m outputs of a filter with r taps
// from a tile of t = m + r - 1 values with t products, where the sum has m r.
//
//   outputs   y = A' [(G w) (B' x)],    input gradient: the same with the filter turned around
//   filter    dw = R' [1/N (B' x) (M dy)]
//
// Filter and tile stand for polynomials, which are multiplied at t points: 0, +-p_1, +-p_2, ...
// and, for an even t, infinity. The points come in pairs, which share their even and their odd
// half.
//   M, R   value of a polynomial with m, r coefficients at every point (evaluate); G = R / N, A = M
//   M', R' the transposed (gather)
//   B'     interpolation, transposed (interpolate): row j has the coefficients of the product of
//          (x - q) over the other points q;  N_j is its value at point j (1 for infinity)
// Two dimensions: along the columns, then along the rows.
//
// The points decide the rounding. 5/8 and 3/2 halve the error of the textbook's 1 and 2; of three
// pairs 5/8, 5/4 and 5/2, and with infinity 1/2, 1 and 2, are the best that a search found; all are
// exact in binary. For the files of levels/ alone (see vector.hpp).
// Source: S. Winograd, Arithmetic Complexity of Computations (1980); A. Lavin and S. Gray, Fast
// Algorithms for Convolutional Neural Networks (2016).
#pragma once

#include <lamina/autograd/kernels/levels/vector.hpp>

namespace lamina::kernels {
namespace {

template <int tile>
struct Points;
template <>
struct Points<6> {
  static constexpr double pair[] = {0.625, 1.5};
};

template <>
struct Points<7> {
  static constexpr double pair[] = {0.625, 1.25, 2.5};
};

template <>
struct Points<8> {
  static constexpr double pair[] = {0.5, 1, 2};
};

constexpr double power(double base, int exponent) {
  double result = 1;
  for (int i = 0; i < exponent; ++i) result *= base;
  return result;
}

template <int m, int r>
struct FilterTransform {
  static constexpr int outputs = m;
  static constexpr int taps = r;
  static constexpr int tile = m + r - 1;
  static constexpr int pairs = (tile - 1) / 2;
  static constexpr bool infinity = tile % 2 == 0;

  static constexpr double point(int pair) { return Points<tile>::pair[pair]; }

  // The coefficient of x^(2 i) in the product of (x^2 - p^2) over the pairs other than `left_out`
  // (-1: over all).
  static constexpr double coefficient(int left_out, int i) {
    double product[pairs + 1] = {1};
    for (int pair = 0; pair < pairs; ++pair) {
      if (pair == left_out) continue;
      const double square = point(pair) * point(pair);
      for (int at = pairs; at >= 0; --at) {
        product[at] = (at > 0 ? product[at - 1] : 0) - square * product[at];
      }
    }
    return product[i];
  }

  // 1 / N_j; the points are numbered 0, +p_1, -p_1, +p_2, ..., infinity.
  static constexpr double weight(int j) {
    if (infinity && j == tile - 1) return 1;
    if (j == 0) return 1 / coefficient(-1, 0);
    const int own = (j - 1) / 2;
    const double square = point(own) * point(own);
    double product = 2 * square;
    for (int pair = 0; pair < pairs; ++pair) {
      if (pair != own) product *= square - point(pair) * point(pair);
    }
    return 1 / product;
  }

  // What value j counts at a point: an element of B'.
  static constexpr double interpolation(int at, int j) {
    if (at == 0) return j % 2 == 0 && j / 2 <= pairs ? coefficient(-1, j / 2) : 0;
    if (infinity && at == tile - 1) return j % 2 == 1 ? coefficient(-1, j / 2) : 0;
    const int pair = (at - 1) / 2;
    if (j == 0 || j > 2 * pairs) return 0;
    if (j % 2 == 0) return coefficient(pair, j / 2 - 1);
    return (at % 2 == 1 ? 1 : -1) * point(pair) * coefficient(pair, j / 2);
  }

  // B': t values to t points.
  template <class V>
  static LAMINA_INLINE void interpolate(const V* in, V* out) {
    out[0] = scale(coefficient(-1, 0), in[0]);
    unroll<pairs>([&](auto i) {
      constexpr double factor = coefficient(-1, i + 1);
      out[0] = add_scaled(factor, in[2 * i + 2], out[0]);
    });
    if constexpr (infinity) {
      out[tile - 1] = scale(coefficient(-1, 0), in[1]);
      unroll<pairs>([&](auto i) {
        constexpr double factor = coefficient(-1, i + 1);
        out[tile - 1] = add_scaled(factor, in[2 * i + 3], out[tile - 1]);
      });
    }
    unroll<pairs>([&](auto pair) {
      constexpr double first = coefficient(pair, 0);
      V even = scale(first, in[2]);
      V odd = scale(first, in[1]);
      unroll<pairs - 1>([&](auto i) {
        constexpr double factor = coefficient(decltype(pair){}, i + 1);
        even = add_scaled(factor, in[2 * i + 4], even);
        odd = add_scaled(factor, in[2 * i + 3], odd);
      });
      constexpr double at = point(pair);
      out[2 * pair + 1] = add_scaled(at, odd, even);
      out[2 * pair + 2] = subtract_scaled(at, odd, even);
    });
  }

  // M or R: n coefficients to t points.
  template <int n, class V>
  static LAMINA_INLINE void evaluate(const V* in, V* out) {
    out[0] = in[0];
    if constexpr (infinity) out[tile - 1] = in[n - 1];
    unroll<pairs>([&](auto pair) {
      constexpr double at = point(pair);
      V even = in[0];
      V odd = scale(at, in[1]);
      unroll<n - 2>([&](auto i) {
        constexpr double factor = power(point(decltype(pair){}), i + 2);
        if constexpr (i % 2 == 0) {
          even = add_scaled(factor, in[i + 2], even);
        } else {
          odd = add_scaled(factor, in[i + 2], odd);
        }
      });
      out[2 * pair + 1] = even + odd;
      out[2 * pair + 2] = even - odd;
    });
  }

  // M' or R': t points to n coefficients.
  template <int n, class V>
  static LAMINA_INLINE void gather(const V* in, V* out) {
    V half[2][pairs];  // what the even and the odd powers see
    unroll<pairs>([&](auto pair) {
      half[0][pair] = in[2 * pair + 1] + in[2 * pair + 2];
      half[1][pair] = in[2 * pair + 1] - in[2 * pair + 2];
    });
    unroll<n>([&](auto i) {
      constexpr double first = power(point(0), i);
      V sum = scale(first, half[i % 2][0]);
      unroll<pairs - 1>([&](auto pair) {
        constexpr double factor = power(point(pair + 1), decltype(i){});
        sum = add_scaled(factor, half[decltype(i){} % 2][pair + 1], sum);
      });
      if constexpr (i == 0) sum = sum + in[0];
      if constexpr (infinity && i == n - 1) sum = sum + in[tile - 1];
      out[i] = sum;
    });
  }
};

}  // namespace
}  // namespace lamina::kernels
