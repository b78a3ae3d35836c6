// Counts calls of operator new in the whole process, the library included. Under a sanitizer, which
// has an operator new of its own, nothing is counted and counts_allocations() is false.
#pragma once

#include <cstdint>

namespace lamina::test {

bool counts_allocations() noexcept;
std::int64_t allocations() noexcept;  // so far

}  // namespace lamina::test
