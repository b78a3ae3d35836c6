// The loops of normalization_loops.hpp over columns: channels side by side, rows of them in order,
// so that memory is read as a stream whatever the weights say. For the files of levels/ alone.
#pragma once

#include <lamina/autograd/kernels/levels/normalization_loops.hpp>
#include <lamina/autograd/kernels/levels/strip.hpp>

namespace lamina::kernels {
namespace {

// Sums of a strip of columns in memory, for what follows per channel in double.
template <int sums>
struct ColumnSums {
  float of[sums][4 * kLanes];
};

// ---- moments ----

// sum(w x) / count, and about it sum(w d) and sum(w d d) with d = x - shift.
// Few rows are copied when they are first read: their lines might not stay in the cache.
template <bool weighted, bool copied, class S>
LAMINA_INLINE ColumnSums<3> column_moments(S strip, const float* x, const BlockRows& rows,
                                           float inverse_count) {
  float copy[copied ? kFewRows : 1][S::vectors * kLanes];
  // From a row to the same row of the next block, which is on its way while this one is read again:
  // to the second cache, which can wait for more lines at a time than the first one.
  const std::int64_t next =
      rows.count > 1 ? rows.count * (rows.offset[1] - rows.offset[0]) : std::int64_t{0};
  const auto weight = [&](int r) { return broadcast(weighted ? rows.weights[r] : 1.0F); };
  Vector shift[S::vectors], sum[S::vectors], squares[S::vectors];
  unroll<S::vectors>([&](auto j) { shift[j] = sum[j] = squares[j] = broadcast(0); });
  for_row_groups(rows.count, [&](auto group, int r) {
    unroll<S::vectors>([&](auto j) {
      Vector v[int{group}];
      unroll<group>([&](auto i) {
        v[i] = strip.load(x + rows.offset[r + i], j);
        if constexpr (copied) store(copy[r + i] + j * kLanes, v[i]);
        if constexpr (weighted) {
          const Vector w = weight(r + i);
          v[i] = w * kept(not_zero(w), v[i]);
        }
      });
      shift[j] += tree_sum(v);
    });
  });
  unroll<S::vectors>([&](auto j) { shift[j] = shift[j] * broadcast(inverse_count); });
  for_row_groups(rows.count, [&](auto group, int r) {
    unroll<S::vectors>([&](auto j) {
      Vector d[int{group}], weighted_d[int{group}];
      unroll<group>([&](auto i) {
        const float* const row = x + rows.offset[r + i];
        const Vector value = copied ? load(copy[r + i] + j * kLanes) : strip.load(row, j);
        if constexpr (!copied) prefetch(row + next + j * kLanes);
        d[i] = weighted_d[i] = value - shift[j];
        if constexpr (weighted) {
          const Vector w = weight(r + i);
          d[i] = kept(not_zero(w), d[i]);
          weighted_d[i] = w * d[i];
        }
      });
      sum[j] += tree_sum(weighted_d);
      squares[j] += tree_dot(weighted_d, d);
    });
  });
  ColumnSums<3> result;
  unroll<S::vectors>([&](auto j) {
    store(result.of[0] + j * kLanes, shift[j]);
    store(result.of[1] + j * kLanes, sum[j]);
    store(result.of[2] + j * kLanes, squares[j]);
  });
  return result;
}

// Whether all values of a column that have a weight are equal.
bool equal_column(const float* x, const BlockRows& rows) {
  const float* first = nullptr;
  for (int r = 0; r < rows.count; ++r) {
    if (rows.weights && rows.weights[r] == 0) continue;
    const float* const value = x + rows.offset[r];
    if (first == nullptr) first = value;
    if (*value != *first) return false;
  }
  return true;
}

// Whether the squares neither overflowed nor vanished.
LAMINA_INLINE bool in_range(const ColumnSums<3>& sums, int width, const float* x,
                            const BlockRows& rows) {
  constexpr float kSmall =
      std::numeric_limits<float>::min() / std::numeric_limits<float>::epsilon();
  bool in = true, none = false;
  for (int c = 0; c < width; ++c) {
    const float squares = sums.of[2][c];
    in &= bool(squares <= kLargest) & (bool(squares >= kSmall) | bool(squares == 0));
    none |= squares == 0;
  }
  for (int c = 0; none && in && c < width; ++c) {
    in = sums.of[2][c] != 0 || equal_column(x + c, rows);
  }
  return in;
}

bool add_column_moments(const float* x, const BlockRows& rows, double count, int width,
                        const ColumnMoments& to) {
  ColumnSums<3> sums[most_strips(kMostColumns)];
  const double inverse_count = 1 / count;
  const auto inverse = static_cast<float>(inverse_count);
  bool exact = true;
  int used = 0;
  for_strips(width, [&](std::int64_t begin, auto strip) {
    with_bools(rows.weights, rows.count <= kFewRows, [&](auto weighted, auto copied) {
      sums[used] = column_moments<weighted != 0, copied != 0>(strip, x + begin, rows, inverse);
    });
    exact &= in_range(sums[used++], strip.width, x + begin, rows);
  });
  if (!exact) return false;
  // Chan's update, as in moments.cpp.
  const double share = count / (to.count + count), reduced = to.count * share;
  used = 0;
  for_strips(width, [&](std::int64_t begin, auto strip) {
    const ColumnSums<3>& from = sums[used++];
    const float* const origin = to.origin + begin;
    double* __restrict const mean = to.mean + begin;
    double* __restrict const squares = to.squares + begin;
    for (int c = 0; c < strip.width; ++c) {
      const double sum = from.of[1][c], own_mean = sum * inverse_count;
      const double difference =
          static_cast<double>(from.of[0][c]) - static_cast<double>(origin[c]) + own_mean - mean[c];
      mean[c] += difference * share;
      squares[c] +=
          static_cast<double>(from.of[2][c]) - sum * own_mean + difference * difference * reduced;
    }
  });
  return true;
}

// ---- sums for the gradient ----

enum class Rows { all, weighted, gated };

template <Rows kind, class S>
LAMINA_INLINE ColumnSums<2> column_gradients(S strip, const float* x, const float* dy,
                                             const BlockRows& rows, const float* high,
                                             ReluGate gate) {
  Vector h[S::vectors], factor[S::vectors], constant[S::vectors];
  Vector first[S::vectors], second[S::vectors];
  unroll<S::vectors>([&](auto j) {
    h[j] = strip.load(high, j);
    first[j] = second[j] = broadcast(0);
    if constexpr (kind == Rows::gated) {
      factor[j] = strip.load(gate.factor, j);
      constant[j] = strip.load(gate.constant, j);
    }
  });
  for_row_groups(rows.count, [&](auto group, int r) {
    unroll<S::vectors>([&](auto j) {
      Vector g[int{group}], d[int{group}], factor_of_d[int{group}];
      unroll<group>([&](auto i) {
        const Vector value = strip.load(x + rows.offset[r + i], j);
        g[i] = strip.load(dy + rows.offset[r + i], j);
        d[i] = value - h[j];
        if constexpr (kind == Rows::gated) {
          g[i] = kept(positive_or_nan(add_product(d[i], factor[j], constant[j])), g[i]);
        }
        Mask looked_at = not_zero(g[i]);
        if constexpr (kind == Rows::weighted) {
          looked_at =
              both(looked_at, either(finite(value), not_zero(broadcast(rows.weights[r + i]))));
        }
        d[i] = kept(looked_at, d[i]);
        factor_of_d[i] = kept(looked_at, g[i]);
      });
      first[j] += tree_sum(g);
      second[j] += tree_dot(factor_of_d, d);
    });
  });
  ColumnSums<2> result;
  unroll<S::vectors>([&](auto j) {
    store(result.of[0] + j * kLanes, first[j]);
    store(result.of[1] + j * kLanes, second[j]);
  });
  return result;
}

void add_column_gradients(const float* x, const float* dy, const BlockRows& rows, int width,
                          const float* high, ReluGate gate, double* sum_dy, double* sum_dy_high) {
  for_strips(width, [&](std::int64_t begin, auto strip) {
    const auto sums_of = [&](auto kind) {
      const ReluGate of_strip =
          gate.factor ? ReluGate{gate.factor + begin, gate.constant + begin} : ReluGate{};
      return column_gradients<static_cast<Rows>(int{kind})>(strip, x + begin, dy + begin, rows,
                                                            high + begin, of_strip);
    };
    const ColumnSums<2> sums = gate.factor    ? sums_of(Constant<int(Rows::gated)>{})
                               : rows.weights ? sums_of(Constant<int(Rows::weighted)>{})
                                              : sums_of(Constant<int(Rows::all)>{});
    for (int c = 0; c < strip.width; ++c) {
      sum_dy[begin + c] += static_cast<double>(sums.of[0][c]);
      sum_dy_high[begin + c] += static_cast<double>(sums.of[1][c]);
    }
  });
}

}  // namespace
}  // namespace lamina::kernels
