// Inputs that every program of a comparison makes alike, and checksums that tell whether two of
// them computed the same.
//
// Images are listed in the order (N, H, W, C), kernels as (rows, columns, in, out), whatever order
// a library keeps them in; checksums are taken in the same order. A checksum is the sum of the
// values with pseudo-random signs: unlike a plain sum it sees every permutation, and the error of a
// sum of rounded values stays below a small multiple of the values' norm, which is its scale.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bench {

// SplitMix64 (Steele, Lea, Flood 2014): a function of (stream, index) alone.
inline std::uint64_t random_bits(std::uint64_t stream, std::uint64_t index) {
  std::uint64_t z = (stream << 40) + (index + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Uniform in [low, high).
inline std::vector<float> uniform_values(std::uint64_t stream, std::int64_t count, double low = -1,
                                         double high = 1) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double unit = static_cast<double>(random_bits(stream, i) >> 40) * 0x1p-24;
    values[i] = static_cast<float>(low + (high - low) * unit);
  }
  return values;
}

inline std::vector<std::int64_t> class_labels(std::uint64_t stream, std::int64_t count,
                                              std::uint64_t classes) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = static_cast<std::int64_t>(random_bits(stream, i) % classes);
  }
  return labels;
}

// A kernel whose outputs have about the variance of its inputs after a ReLU (He): uniform within
// sqrt(6 / fan_in), with fan_in = count / outputs.
inline std::vector<float> kernel_values(std::uint64_t stream, std::int64_t count,
                                        std::int64_t outputs) {
  const double limit = std::sqrt(6.0 * static_cast<double>(outputs) / static_cast<double>(count));
  return uniform_values(stream, count, -limit, limit);
}

struct Check {
  std::string name;
  double value;  // what must agree
  double scale;  // the size that a tolerance refers to
};

inline Check checksum(std::string name, std::span<const float> values) {
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i];
    sum += random_bits(0, i) & 1 ? value : -value;
    squares += value * value;
  }
  return {std::move(name), sum, std::sqrt(squares)};
}

}  // namespace bench
