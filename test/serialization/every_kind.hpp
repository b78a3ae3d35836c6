// A value of every kind that a file of named values can hold: an empty tensor, scalars, numbers
// whose bits are easily lost, an empty text, a name that is not ASCII. Formats add what they alone
// can hold.
#pragma once

#include <cmath>
#include <cstdint>
#include <lamina/serialization/state_dict.hpp>
#include <limits>

namespace lamina::test {

inline StateDict every_kind_of_value() {
  StateDict state;
  state.add("a", Tensor<float>({2, 3}, {1, -0.0f, INFINITY, 4, 5, 6}));
  state.add("b.c", Tensor<double>({3}, {-1, std::numeric_limits<double>::quiet_NaN(), 5e-324}));
  state.add("count", Tensor<std::int64_t>({}, {INT64_MIN}));
  state.add("d", Tensor<std::uint8_t>({0, 5}, std::uint8_t{0}));
  state.add("n", std::int64_t{-3});
  state.add("na\u00efve", 0.1);
  state.add("scalar", Tensor<double>::scalar(7));
  state.add("zz", "");
  return state;
}

}  // namespace lamina::test
