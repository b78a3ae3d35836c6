#include "support/allocation_counter.hpp"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LAMINA_COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LAMINA_COUNTS 0
#endif
#endif
#ifndef LAMINA_COUNTS
#define LAMINA_COUNTS 1
#endif

namespace {
std::atomic<std::int64_t> calls{0};
std::atomic<std::int64_t> alive{0}, alive_at_start{0}, most{0};
std::atomic<std::int64_t> calls_until_failure{-1};
}  // namespace

namespace lamina::test {

bool counts_allocations() noexcept { return LAMINA_COUNTS == 1; }
std::int64_t allocations() noexcept { return calls.load(std::memory_order_relaxed); }
std::int64_t bytes_alive() noexcept { return alive.load(); }

void start_peak() noexcept {
  alive_at_start = alive.load();
  most = alive.load();
}
std::int64_t peak_bytes() noexcept { return most - alive_at_start; }

void fail_allocation(std::int64_t n) noexcept { calls_until_failure = n; }

}  // namespace lamina::test

#if LAMINA_COUNTS

namespace {

void* counted(std::size_t bytes, std::size_t alignment) {
  calls.fetch_add(1, std::memory_order_relaxed);
  if (calls_until_failure.load(std::memory_order_relaxed) >= 0 && calls_until_failure-- == 0) {
    throw std::bad_alloc();
  }
  bytes = bytes == 0 ? alignment : (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, bytes);
  if (!memory) throw std::bad_alloc();
  const auto usable = static_cast<std::int64_t>(malloc_usable_size(memory));
  const std::int64_t now = alive.fetch_add(usable, std::memory_order_relaxed) + usable;
  std::int64_t seen = most.load(std::memory_order_relaxed);
  while (seen < now && !most.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
  }
  return memory;
}

void discounted(void* memory) noexcept {
  alive.fetch_sub(static_cast<std::int64_t>(malloc_usable_size(memory)), std::memory_order_relaxed);
  std::free(memory);
}

constexpr std::size_t kDefault = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes, kDefault); }
void* operator new[](std::size_t bytes) { return counted(bytes, kDefault); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { discounted(memory); }
void operator delete[](void* memory) noexcept { discounted(memory); }
void operator delete(void* memory, std::size_t) noexcept { discounted(memory); }
void operator delete[](void* memory, std::size_t) noexcept { discounted(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { discounted(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { discounted(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { discounted(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { discounted(memory); }

#endif
