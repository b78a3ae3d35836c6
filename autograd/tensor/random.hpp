// Random numbers without state: Philox4x32-10, keyed by (seed, path), counted by (step, element).
//
//   Rng rng(42);
//   RandomStream stream = rng.stream("encoder.dropout", step);
//   stream.fill_normal(weights.mutable_values(), 0.0, 0.05);
//
// Every number is a function of (seed, path, step, element) alone: the draws of one layer do not
// depend on other layers, drawing again gives the same numbers, and the number of threads changes
// nothing. The fills give element i what the scalar functions give for i: fill_uniform(span, low,
// high)[i] == low + (high - low) * uniform(i), rounded to T.
//
// Uniform, normal, truncated normal, mask and permutation are drawn from disjoint counters, so
// using several of them on one stream gives independent numbers. Drawing the same kind twice from
// one stream gives the same numbers twice: take another path or another step.
//
// Errors: ArgumentError for a step outside [0, 2^48), limits that are not finite or not in order, a
// negative deviation, a probability outside [0, 1]. Nothing is written before the checks.
// Thread-safety: RandomStream is immutable; Rng must not be stepped while another thread uses it.
// Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011), through
// librandom123.
#pragma once

#include <array>
#include <cstdint>
#include <lamina/autograd/tensor/scalar.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace lamina {

namespace detail {
// The bare generator, for known-answer tests.
std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 4>& counter,
                                    const std::array<std::uint32_t, 2>& key) noexcept;
}  // namespace detail

class RandomStream {
 public:
  RandomStream(std::uint64_t key, std::int64_t step);

  std::uint64_t bits(std::uint64_t element) const noexcept;
  double uniform(std::uint64_t element) const noexcept;           // [0, 1), multiples of 2^-53
  double normal(std::uint64_t element) const noexcept;            // Box-Muller
  double truncated_normal(std::uint64_t element) const noexcept;  // |value| <= 2, by redrawing

  // Values in [low, high); `low` everywhere where low == high.
  template <Scalar T>
  void fill_uniform(std::span<T> values, double low, double high) const;

  template <Scalar T>
  void fill_normal(std::span<T> values, double mean, double deviation) const;

  // Cut at two deviations from the mean; `deviation` is that of the normal before the cut (as
  // Keras: the deviation of what is drawn is 0.8796 of it).
  template <Scalar T>
  void fill_truncated_normal(std::span<T> values, double mean, double deviation) const;

  // 1 with the given probability, else 0.
  void fill_keep_mask(std::span<std::uint8_t> mask, double keep_probability) const;

  // 0 .. n-1 in an order that is each of the n! with the same probability.
  std::vector<std::int64_t> permutation(std::int64_t n) const;

 private:
  enum class Purpose : std::uint32_t;
  std::array<std::uint32_t, 4> block(std::uint64_t index, Purpose purpose,
                                     std::uint32_t draw) const noexcept;
  std::array<double, 2> normal_pair(std::uint64_t pair, Purpose purpose,
                                    std::uint32_t draw) const noexcept;
  std::uint64_t below(std::uint64_t bound, std::uint64_t element) const noexcept;

  std::array<std::uint32_t, 2> key_;
  std::uint64_t step_;
};

// The seed of a run and the number of its current step.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) noexcept : seed_(seed) {}

  std::uint64_t seed() const noexcept { return seed_; }
  std::int64_t step() const noexcept { return step_; }
  void set_step(std::int64_t step);

  // The current step; the following one becomes current.
  std::int64_t next_step() noexcept { return step_++; }

  RandomStream stream(std::string_view path, std::int64_t step) const;

 private:
  std::uint64_t seed_;
  std::int64_t step_ = 0;
};

}  // namespace lamina
