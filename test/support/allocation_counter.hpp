// Counts calls of operator new in the whole process, the library included, and the bytes alive;
// lets a chosen call fail. Under a sanitizer, which has an operator new of its own, nothing of this
// happens and counts_allocations() is false.
#pragma once

#include <cstdint>

namespace lamina::test {

bool counts_allocations() noexcept;
std::int64_t allocations() noexcept;  // so far
std::int64_t bytes_alive() noexcept;

// The most bytes that were alive at one time since start_peak(), above those alive then.
void start_peak() noexcept;
std::int64_t peak_bytes() noexcept;

// The n-th call of operator new from now (0: the next) throws std::bad_alloc, once; negative: none
// does.
void fail_allocation(std::int64_t n) noexcept;

}  // namespace lamina::test
