// The two loops that sum over a Block; only the .cpp files of this folder include this.
//
// Both keep chains of additions short (a rounding error grows with the chain) and leave the order
// of the additions to the shape alone. `row(r)` gives a callable that gives the term of an element
// of row r.
#pragma once

#include <bit>
#include <cstdint>
#include <lamina/autograd/kernels/norm_blocks.hpp>
#include <lamina/autograd/tensor/scalar.hpp>
#include <type_traits>

namespace lamina::kernels {

// Columns are summed in strips of at most so many: the sums stay in the first cache.
inline constexpr int kStrip = 64;

// The value, or 0 where the condition does not hold: without a branch, so that loops vectorize.
template <Scalar T>
T kept_if(bool condition, T value) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return std::bit_cast<T>(std::bit_cast<Bits>(value) & -static_cast<Bits>(condition));
}

template <class A>
struct Pair {
  A first, second;
  Pair operator+(Pair other) const { return {first + other.first, second + other.second}; }
};

// add(c, the sum of some rows' terms) for the columns [0, width), until all rows are in.
template <class Row, class Add>
void add_rows(int rows, int width, Row row, Add add) {
  int r = 0;
  for (; r + 4 <= rows; r += 4) {
    const auto t0 = row(r), t1 = row(r + 1), t2 = row(r + 2), t3 = row(r + 3);
    for (int c = 0; c < width; ++c) add(c, (t0(c) + t1(c)) + (t2(c) + t3(c)));
  }
  for (; r < rows; ++r) {
    const auto term = row(r);
    for (int c = 0; c < width; ++c) add(c, term(c));
  }
}

// The sum of pairs over all rows and `length` elements of each: a row is taken for rows of kLanes.
template <class A, class Row>
Pair<A> sum_runs(int rows, std::int64_t length, Row row) {
  constexpr int kLanes = 32;
  A first[kLanes] = {}, second[kLanes] = {};
  const auto add = [&](int lane, Pair<A> terms) {
    first[lane] += terms.first;
    second[lane] += terms.second;
  };
  for (int r = 0; r < rows; ++r) {
    const auto term = row(r);
    const int whole = static_cast<int>(length / kLanes);
    add_rows(
        whole, kLanes,
        [&](int part) { return [&term, part](int lane) { return term(part * kLanes + lane); }; },
        add);
    add_rows(
        1, static_cast<int>(length % kLanes),
        [&](int) { return [&term, whole](int lane) { return term(whole * kLanes + lane); }; }, add);
  }
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) add(lane, {first[lane + half], second[lane + half]});
  }
  return {first[0], second[0]};
}

}  // namespace lamina::kernels
