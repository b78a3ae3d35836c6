// Whether an output is written around the caches; only the .cpp files of this folder include this.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// `floats` are all that a loop reads and writes. From so many bytes on the output is not kept in
// the caches: it would throw out what is read next, and its lines would be read before they are
// written.
inline bool past_caches(std::int64_t floats) {
  constexpr std::int64_t kPastCaches = std::int64_t{16} << 20;
  return floats * std::int64_t{sizeof(float)} >= kPastCaches;
}

// Whether every run of so many channels is whole lines of the cache, which alone can be written so.
inline bool whole_lines(const float* y, std::int64_t channels) {
  constexpr std::int64_t kLine = 64;
  return channels * std::int64_t{sizeof(float)} % kLine == 0 &&
         reinterpret_cast<std::uintptr_t>(y) % kLine == 0;
}

}  // namespace lamina::kernels
