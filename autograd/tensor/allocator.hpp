// The caching allocator behind every tensor and every scratch buffer.
//
// A block that is given back is kept for the next request of its size class (four classes per power
// of two, so at most a quarter is wasted): in the steady state of training nothing is asked of the
// system. Small blocks (up to 64 KiB) wait in a list of the thread that freed them and cost no
// lock; larger ones, and what overflows a thread's list (2 MiB), wait in one list for the
// process, which set_memory_cache_limit bounds (default 4 GiB). What does not fit goes back to the
// system, and the whole list does before a request fails.
//
// Under AddressSanitizer every request goes to the system, so that the sanitizer sees each block.
// Units: bytes. Errors: std::bad_alloc. Thread-safety: every function may be called from any
// thread; a block may be freed by another thread than the one that took it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina {

// 64-byte aligned, uninitialized.
void* allocate_memory(std::size_t bytes);

// `bytes` must be what was asked for.
void free_memory(void* memory, std::size_t bytes) noexcept;

struct MemoryCounters {
  std::int64_t system_allocations = 0;  // requests that went to the system since the start
  std::size_t system_bytes = 0;         // taken from the system and not returned
  std::size_t cached_bytes = 0;         // of these, waiting for reuse
  std::size_t peak_bytes = 0;           // the largest system_bytes since the last reset
};
MemoryCounters memory_counters();

// The peak is from now on that of what follows. After trim_memory_cache(), what a piece of work
// then needs at most can be read from it.
void reset_memory_peak();

// Upper bound of what the process-wide list keeps; the excess is released at once.
void set_memory_cache_limit(std::size_t bytes);

// Returns the process-wide list and the calling thread's list to the system.
void trim_memory_cache();

// Tests switch this on: fresh blocks are then filled with 0xff (NaN for float and double), so that
// a kernel that reads what it never wrote is found.
void set_memory_poison(bool on);

}  // namespace lamina
