// Every small damage of a file, as campaigns: each hands damaged copies to a function.
//
//   cut_everywhere(bytes, 1, [&](const std::string& damaged) { ... });
//
// A stride above 1 takes every so-many-th damage only, and is meant to have no divisor in common
// with the layout of the file (a prime).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>

namespace lamina::test {

// Cut at every length, and lengthened by a few zeros.
template <class Attack>
void cut_everywhere(const std::string& bytes, std::size_t stride, const Attack& attack) {
  for (std::size_t length = 0; length < bytes.size(); length += stride) {
    attack(bytes.substr(0, length));
  }
  for (const std::size_t more : {1, 63, 64, 65}) attack(bytes + std::string(more, '\0'));
}

template <class Attack>
void flip_every_bit(const std::string& bytes, std::size_t stride, const Attack& attack) {
  for (std::size_t bit = 0; bit < 8 * bytes.size(); bit += stride) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    attack(damaged);
  }
}

// Every value of every one of the first bytes.
template <class Attack>
void every_byte_value(const std::string& bytes, std::size_t first_bytes, std::size_t stride,
                      const Attack& attack) {
  for (std::size_t i = 0; i < 256 * std::min(first_bytes, bytes.size()); i += stride) {
    std::string damaged = bytes;
    damaged[i / 256] = static_cast<char>(i % 256);
    if (damaged != bytes) attack(damaged);
  }
}

// 0, 1, the largest, both sides of the sign, the size of the file, what is left of it, and what
// stood there with its neighbours, in 1, 2, 4 and 8 bytes of both orders, at every offset.
template <class Attack>
void boundary_integers(const std::string& bytes, std::size_t stride, const Attack& attack) {
  std::size_t count = 0;
  const auto put = [&](std::size_t at, std::size_t width, std::uint64_t number, bool big_endian) {
    if (count++ % stride != 0) return;
    std::string damaged = bytes;
    std::memcpy(&damaged[at], &number, width);
    const auto begin = damaged.begin() + static_cast<std::ptrdiff_t>(at);
    if (big_endian) std::reverse(begin, begin + static_cast<std::ptrdiff_t>(width));
    if (damaged != bytes) attack(damaged);
  };
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const std::size_t width : {1, 2, 4, 8}) {
      if (at + width > bytes.size()) continue;
      std::uint64_t before = 0;
      std::memcpy(&before, &bytes[at], width);
      const std::uint64_t sign = std::uint64_t{1} << (8 * width - 1), size = bytes.size();
      for (const std::uint64_t number :
           {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, sign - 1, sign, sign + 1,
            size - 1, size, size + 1, size - at, before - 1, before + 1}) {
        put(at, width, number, false);
        if (width > 1) put(at, width, number, true);
      }
    }
  }
}

// A few bytes changed, taken away, repeated, or copied from elsewhere.
inline std::string mutated(std::string bytes, std::mt19937_64& random) {
  for (std::uint64_t changes = 1 + random() % 5; changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = random() % bytes.size();
    const std::size_t count = 1 + random() % 9;
    switch (random() % 5) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, count);
        break;
      case 2:
        bytes.insert(at, count, static_cast<char>(random()));
        break;
      case 3:
        bytes.insert(at, bytes.substr(random() % bytes.size(), 8 * count));
        break;
      default:
        bytes[at] = static_cast<char>(bytes[at] + static_cast<int>(random() % 9) - 4);
    }
  }
  return bytes;
}

template <class Attack>
void random_mutations(const std::string& bytes, int count, const Attack& attack) {
  std::mt19937_64 random(1);
  for (int i = 0; i < count; ++i) {
    const std::string damaged = mutated(bytes, random);
    if (damaged != bytes) attack(damaged);
  }
}

}  // namespace lamina::test
