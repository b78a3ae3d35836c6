// Whether an output is written around the caches; only the .cpp files of this folder include this.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// `floats` are all that a loop reads and writes. From so many bytes on the output is not kept in the
// caches: it would throw out what is read next, and its lines would be read before they are written.
inline bool past_caches(std::int64_t floats) {
  constexpr std::int64_t kPastCaches = std::int64_t{16} << 20;
  return floats * std::int64_t{sizeof(float)} >= kPastCaches;
}

}  // namespace lamina::kernels
