// Digits drawn by the library: a data set that needs no file and no network.
//
//   Dataset train = data::synthetic_digits({.examples = 6000, .seed = 1});
//   Dataset test = data::synthetic_digits({.examples = 1000, .seed = 2});
//
// Every digit is a few lines and arcs, drawn with a pen after a random affine map (turn, slant,
// size, place) and a smooth wobble, with random pen width and brightness and some noise: white on
// black as in MNIST, uint8 (examples, size, size, 1), labels 0 to 9 with equal probability.
//
// Example i is a function of (seed, size, i) alone: a longer set begins with the shorter one.
// Errors: ArgumentError for examples < 1 or a size outside [8, 512].
// Thread-safety: may be called from several threads.
#pragma once

#include <cstdint>
#include <lamina/data/dataset.hpp>

namespace lamina::data {

struct SyntheticDigits {
  std::int64_t examples = 10000;
  std::uint64_t seed = 0;
  std::int64_t size = 28;  // pixels, height and width
};

Dataset synthetic_digits(const SyntheticDigits& options = {});

}  // namespace lamina::data
