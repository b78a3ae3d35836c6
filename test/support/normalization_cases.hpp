// What the tests of the normalization kernels share: layouts, seeded values and weights, and where
// an element belongs.
#pragma once

#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <span>
#include <vector>

namespace lamina::test {

// Extents all different; one row per case of the table in norm_layout.hpp, and the small ones.
inline const std::vector<NormLayout> kNormLayouts = {
    {.outer = 17, .channels = 5},
    {.outer = 3, .channels = 5, .inner = 19},
    {.outer = 3, .middle = 11, .channels = 7},
    {.outer = 2, .groups = 3, .channels = 5},
    {.outer = 2, .groups = 3, .middle = 7, .channels = 5, .inner = 13},
    {.channels = 4},
    {.outer = 1, .channels = 1},
    {.groups = 19, .inner = 71},
    {.outer = 13, .groups = 5, .channels = 307},
    {.outer = 41, .middle = 53, .channels = 37},
    {.outer = 5, .channels = 3, .inner = 33000},
};

template <Scalar T>
std::vector<T> drawn(const NormLayout& layout, double mean, double deviation, int path) {
  std::vector<T> values(static_cast<std::size_t>(layout.size()));
  Rng(7).stream("kernel", path).fill_normal(std::span<T>(values), mean, deviation);
  return values;
}

// A fifth of them 0, the others in (0, 2); every group has some.
template <Scalar T>
std::vector<T> drawn_weights(const NormLayout& layout) {
  std::vector<T> weights(static_cast<std::size_t>(layout.groups * layout.count()));
  Rng(7).stream("kernel", 9).fill_uniform(std::span<T>(weights), 0, 2);
  for (std::size_t i = 1; i < weights.size(); i += 5) weights[i] = 0;
  return weights;
}

// The (group, channel) of element i, and its place among the weights.
inline std::size_t statistic_of(const NormLayout& layout, std::size_t element) {
  const auto i = static_cast<std::int64_t>(element);
  const std::int64_t c = i / layout.inner % layout.channels;
  const std::int64_t g = i / (layout.inner * layout.channels * layout.middle) % layout.groups;
  return static_cast<std::size_t>(g * layout.channels + c);
}
inline std::size_t place_of(const NormLayout& layout, std::size_t element) {
  const auto i = static_cast<std::int64_t>(element);
  return static_cast<std::size_t>(i / (layout.inner * layout.channels) * layout.inner +
                                  i % layout.inner);
}

}  // namespace lamina::test
