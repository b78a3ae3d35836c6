#include <Random123/philox.h>

#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <numbers>
#include <numeric>
#include <string>

namespace lamina {

// Counter: words 0 and 1 the index of the block, word 2 and the low half of word 3 the step, then
// eight bits each for the purpose and the number of the redraw. The values are part of what a seed
// means.
enum class RandomStream::Purpose : std::uint32_t {
  uniform = 0,
  normal = 1,
  truncated_normal = 2,
  mask = 3,
  permutation = 4,
};

namespace {

constexpr std::int64_t kStepLimit = std::int64_t{1} << 48;
constexpr std::int64_t kTile = 16384;  // elements; a multiple of 4, so that no block is cut

void require_step(std::int64_t step) {
  if (step >= 0 && step < kStepLimit) return;
  throw ArgumentError("random", "the step must lie in [0, 2^48); got " + std::to_string(step));
}

void require_finite(const char* who, const char* what, double value) {
  if (std::isfinite(value)) return;
  throw ArgumentError(who,
                      std::string("the ") + what + " must be finite; got " + std::to_string(value));
}

void require_normal(const char* who, double mean, double deviation) {
  require_finite(who, "mean", mean);
  require_finite(who, "deviation", deviation);
  if (deviation < 0) {
    throw ArgumentError(who,
                        "the deviation must not be negative; got " + std::to_string(deviation));
  }
}

std::uint64_t joined(std::uint32_t low, std::uint32_t high) {
  return low | static_cast<std::uint64_t>(high) << 32;
}

double unit(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

// Calls work(first, last) over ranges that are fixed by the count alone.
template <class Work>
void in_tiles(std::size_t count, const Work& work) {
  const auto size = static_cast<std::int64_t>(count);
  parallel_for((size + kTile - 1) / kTile, [&](std::int64_t tile) {
    work(static_cast<std::uint64_t>(tile * kTile),
         static_cast<std::uint64_t>(std::min(size, (tile + 1) * kTile)));
  });
}

}  // namespace

std::array<std::uint32_t, 4> detail::philox(const std::array<std::uint32_t, 4>& counter,
                                            const std::array<std::uint32_t, 2>& key) noexcept {
  const philox4x32_ctr_t in = {{counter[0], counter[1], counter[2], counter[3]}};
  const philox4x32_key_t k = {{key[0], key[1]}};
  const philox4x32_ctr_t out = philox4x32_R(10, in, k);
  return {out.v[0], out.v[1], out.v[2], out.v[3]};
}

RandomStream::RandomStream(std::uint64_t key, std::int64_t step)
    : key_{static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)},
      step_(static_cast<std::uint64_t>(step)) {
  require_step(step);
}

std::array<std::uint32_t, 4> RandomStream::block(std::uint64_t index, Purpose purpose,
                                                 std::uint32_t draw) const noexcept {
  return detail::philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                         static_cast<std::uint32_t>(step_),
                         static_cast<std::uint32_t>(step_ >> 32) |
                             static_cast<std::uint32_t>(purpose) << 16 | draw << 24},
                        key_);
}

std::uint64_t RandomStream::bits(std::uint64_t element) const noexcept {
  const auto words = block(element / 2, Purpose::uniform, 0);
  return element % 2 == 0 ? joined(words[0], words[1]) : joined(words[2], words[3]);
}

double RandomStream::uniform(std::uint64_t element) const noexcept { return unit(bits(element)); }

std::array<double, 2> RandomStream::normal_pair(std::uint64_t pair, Purpose purpose,
                                                std::uint32_t draw) const noexcept {
  const auto words = block(pair, purpose, draw);
  const double open = 1.0 - unit(joined(words[0], words[1]));  // (0, 1]: its logarithm is finite
  const double radius = std::sqrt(-2.0 * std::log(open));
  const double angle = 2.0 * std::numbers::pi * unit(joined(words[2], words[3]));
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

double RandomStream::normal(std::uint64_t element) const noexcept {
  return normal_pair(element / 2, Purpose::normal, 0)[element % 2];
}

double RandomStream::truncated_normal(std::uint64_t element) const noexcept {
  // One draw in 22 falls outside, so 256 of them in a row do not happen.
  for (std::uint32_t draw = 0; draw < 256; ++draw) {
    const double value = normal_pair(element / 2, Purpose::truncated_normal, draw)[element % 2];
    if (std::abs(value) <= 2.0) return value;
  }
  return 0.0;
}

template <Scalar T>
void RandomStream::fill_uniform(std::span<T> values, double low, double high) const {
  require_finite("uniform", "lower limit", low);
  require_finite("uniform", "upper limit", high);
  if (low > high) {
    throw ArgumentError("uniform", "the lower limit must not exceed the upper one; got " +
                                       std::to_string(low) + " and " + std::to_string(high));
  }
  require_finite("uniform", "difference of the limits", high - low);
  // Rounding to T may reach the upper limit, which does not belong to the range.
  const T top =
      low < high ? std::nextafter(static_cast<T>(high), static_cast<T>(low)) : static_cast<T>(low);
  in_tiles(values.size(), [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; i += 2) {
      const auto words = block(i / 2, Purpose::uniform, 0);
      const auto value = [&](std::uint32_t a, std::uint32_t b) {
        return std::min(static_cast<T>(low + (high - low) * unit(joined(a, b))), top);
      };
      values[i] = value(words[0], words[1]);
      if (i + 1 < last) values[i + 1] = value(words[2], words[3]);
    }
  });
}

template <Scalar T>
void RandomStream::fill_normal(std::span<T> values, double mean, double deviation) const {
  require_normal("normal", mean, deviation);
  in_tiles(values.size(), [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; i += 2) {
      const auto pair = normal_pair(i / 2, Purpose::normal, 0);
      values[i] = static_cast<T>(mean + deviation * pair[0]);
      if (i + 1 < last) values[i + 1] = static_cast<T>(mean + deviation * pair[1]);
    }
  });
}

template <Scalar T>
void RandomStream::fill_truncated_normal(std::span<T> values, double mean, double deviation) const {
  require_normal("truncated_normal", mean, deviation);
  in_tiles(values.size(), [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; ++i) {
      values[i] = static_cast<T>(mean + deviation * truncated_normal(i));
    }
  });
}

void RandomStream::fill_keep_mask(std::span<std::uint8_t> mask, double keep_probability) const {
  if (!(keep_probability >= 0.0 && keep_probability <= 1.0)) {
    throw ArgumentError(
        "keep_mask", "the probability must lie in [0, 1]; got " + std::to_string(keep_probability));
  }
  const auto threshold = static_cast<std::uint64_t>(std::llround(keep_probability * 0x1p32));
  in_tiles(mask.size(), [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; i += 4) {
      const auto words = block(i / 4, Purpose::mask, 0);
      const std::uint64_t count = std::min<std::uint64_t>(4, last - i);
      for (std::uint64_t k = 0; k < count; ++k) mask[i + k] = words[k] < threshold ? 1 : 0;
    }
  });
}

// Lemire's multiplication: exact, because the few products that would favour small values are
// redrawn.
std::uint64_t RandomStream::below(std::uint64_t bound, std::uint64_t element) const noexcept {
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t rejected = (0 - bound) % bound;  // 2^64 mod bound
  Wide product = 0;
  for (std::uint32_t draw = 0; draw < 256; ++draw) {
    const auto words = block(element, Purpose::permutation, draw);
    product = static_cast<Wide>(joined(words[0], words[1])) * bound;
    if (static_cast<std::uint64_t>(product) >= rejected) break;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

std::vector<std::int64_t> RandomStream::permutation(std::int64_t n) const {
  if (n < 0) {
    throw ArgumentError("permutation",
                        "the number of elements must not be negative; got " + std::to_string(n));
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[below(i, i)]);
  }
  return order;
}

void Rng::set_step(std::int64_t step) {
  require_step(step);
  step_ = step;
}

// The path enters through FNV-1a; Philox itself mixes it with the seed.
RandomStream Rng::stream(std::string_view path, std::int64_t step) const {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : path) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  const auto words =
      detail::philox({static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32),
                      static_cast<std::uint32_t>(hash), static_cast<std::uint32_t>(hash >> 32)},
                     {0x6c616d69u, 0x6e61u});
  return RandomStream(joined(words[0], words[1]), step);
}

#define LAMINA_RANDOM(T)                                                           \
  template void RandomStream::fill_uniform<T>(std::span<T>, double, double) const; \
  template void RandomStream::fill_normal<T>(std::span<T>, double, double) const;  \
  template void RandomStream::fill_truncated_normal<T>(std::span<T>, double, double) const;
LAMINA_RANDOM(float)
LAMINA_RANDOM(double)
#undef LAMINA_RANDOM

}  // namespace lamina
