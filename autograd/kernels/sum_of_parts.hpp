// The sum of partial results that jobs left side by side, added in their order: the same bits on
// any number of threads. Only the .cpp files of this folder include this.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lamina::kernels {

// to[i] = parts[i] + parts[size + i] + ..., at least one part.
template <class T>
void sum_of_parts(const T* parts, std::int64_t count, std::int64_t size, T* to) {
  std::copy_n(parts, size, to);
  for (std::int64_t part = 1; part < count; ++part) {
    const T* const from = parts + part * size;
    for (std::int64_t i = 0; i < size; ++i) to[i] += from[i];
  }
}

}  // namespace lamina::kernels
