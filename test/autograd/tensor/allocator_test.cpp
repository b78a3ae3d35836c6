#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstring>
#include <lamina/autograd/tensor/allocator.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <limits>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "support/address_space.hpp"
#include "support/sanitizers.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr bool kCaching = !kAddressSanitizer;

// Every test starts with an empty cache and leaves the defaults behind.
struct CleanCache {
  CleanCache() { trim_memory_cache(); }
  ~CleanCache() {
    set_memory_cache_limit(std::size_t{4} << 30);
    set_memory_poison(false);
    trim_memory_cache();
  }
};

std::int64_t system_allocations() { return memory_counters().system_allocations; }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(allocator, CleanCache)

BOOST_AUTO_TEST_CASE(blocks_are_aligned_writable_and_apart) {
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  std::mt19937 engine(5);
  for (int i = 0; i < 500; ++i) {
    const std::size_t bytes = i < 300 ? static_cast<std::size_t>(i) : engine() % 200000;
    auto* memory = static_cast<unsigned char*>(allocate_memory(bytes));
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(memory) % 64 == 0u);
    std::memset(memory, i & 255, bytes);
    blocks.emplace_back(memory, bytes);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [memory, bytes] = blocks[i];
    BOOST_TEST(std::all_of(memory, memory + bytes, [&](int v) { return v == int(i & 255); }));
    free_memory(memory, bytes);
  }
}

// Of every size around the edges of the classes: the block is large enough and wastes a quarter at
// most.
BOOST_AUTO_TEST_CASE(a_quarter_is_wasted_at_most) {
  std::vector<std::size_t> sizes;
  for (std::size_t bytes = 1; bytes <= 4200; ++bytes) sizes.push_back(bytes);
  for (std::size_t power = 8192; power <= std::size_t{1} << 26; power *= 2) {
    for (const std::size_t quarter : {4, 5, 6, 7}) {
      for (const int offset : {-1, 0, 1})
        sizes.push_back(power / 4 * quarter + std::size_t(offset));
    }
  }
  for (const std::size_t bytes : sizes) {
    trim_memory_cache();
    const std::size_t before = memory_counters().system_bytes;
    void* memory = allocate_memory(bytes);
    const std::size_t taken = memory_counters().system_bytes - before;
    free_memory(memory, bytes);
    BOOST_REQUIRE_GE(taken, bytes);
    BOOST_REQUIRE_LE(taken, std::max<std::size_t>(64, bytes + bytes / 4 + 63));
  }
}

BOOST_AUTO_TEST_CASE(a_block_given_back_is_used_again) {
  if (!kCaching) return;
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{1000}, std::size_t{65536},
                                  std::size_t{65537}, std::size_t{10} << 20}) {
    void* first = allocate_memory(bytes);
    free_memory(first, bytes);
    const std::int64_t before = system_allocations();
    for (int times = 0; times < 100; ++times) {
      void* again = allocate_memory(bytes);
      BOOST_TEST(again == first);
      free_memory(again, bytes);
    }
    BOOST_TEST(system_allocations() == before);
  }
}

// What a training step does: many tensors of mixed sizes, the same in every step.
BOOST_AUTO_TEST_CASE(in_the_steady_state_nothing_is_asked_of_the_system) {
  if (!kCaching) return;
  const auto step = [] {
    std::vector<Tensor<float>> kept;
    for (const std::int64_t size : {1, 7, 100, 5000, 16384, 20000, 300000, 7, 100, 300000}) {
      kept.emplace_back(Shape{size}, 1.0f);
      const Tensor<float> temporary(Shape{size, 2}, 2.0f);
    }
  };
  step();
  const std::int64_t before = system_allocations();
  for (int times = 0; times < 100; ++times) step();
  BOOST_TEST(system_allocations() == before);
}

BOOST_AUTO_TEST_CASE(counters_follow_the_blocks) {
  const auto start = memory_counters();
  constexpr std::size_t kBytes = 1 << 20;
  void* memory = allocate_memory(kBytes);
  auto now = memory_counters();
  BOOST_TEST(now.system_allocations == start.system_allocations + 1);
  BOOST_TEST(now.system_bytes == start.system_bytes + kBytes);
  BOOST_TEST(now.cached_bytes == start.cached_bytes);
  BOOST_TEST(now.peak_bytes >= now.system_bytes);
  reset_memory_peak();
  BOOST_TEST(memory_counters().peak_bytes == memory_counters().system_bytes);
  free_memory(memory, kBytes);
  now = memory_counters();
  BOOST_TEST(now.cached_bytes == start.cached_bytes + (kCaching ? kBytes : 0));
  BOOST_TEST(now.system_bytes == start.system_bytes + (kCaching ? kBytes : 0));
  trim_memory_cache();
  BOOST_TEST(memory_counters().system_bytes == start.system_bytes);
  BOOST_TEST(memory_counters().cached_bytes == start.cached_bytes);
}

BOOST_AUTO_TEST_CASE(the_limit_bounds_what_is_kept) {
  if (!kCaching) return;
  constexpr std::size_t kBytes = 1 << 20;
  const auto start = memory_counters();
  set_memory_cache_limit(start.cached_bytes + 3 * kBytes);
  std::vector<void*> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(allocate_memory(kBytes));
  for (void* block : blocks) free_memory(block, kBytes);
  BOOST_TEST(memory_counters().cached_bytes == start.cached_bytes + 3 * kBytes);
  BOOST_TEST(memory_counters().system_bytes == start.system_bytes + 3 * kBytes);
  set_memory_cache_limit(start.cached_bytes + kBytes);
  BOOST_TEST(memory_counters().system_bytes == start.system_bytes + kBytes);
  set_memory_cache_limit(0);
  BOOST_TEST(memory_counters().system_bytes == start.system_bytes);
}

// A producer allocates and a consumer frees: what the consumer's list overflows must come back.
BOOST_AUTO_TEST_CASE(blocks_freed_by_another_thread_come_back) {
  if (!kCaching) return;
  const auto start = memory_counters();
  for (int round = 0; round < 200; ++round) {
    std::vector<void*> blocks;
    for (int i = 0; i < 100; ++i) blocks.push_back(allocate_memory(1024));
    std::thread([&] {
      for (void* block : blocks) free_memory(block, 1024);
    }).join();
  }
  // A thread that ends gives its list to the process.
  BOOST_TEST(memory_counters().system_bytes <= start.system_bytes + 101 * 1024);
}

BOOST_AUTO_TEST_CASE(threads_keep_their_blocks_apart) {
  std::vector<std::thread> workers;
  std::atomic<int> wrong{0};
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&, worker] {
      std::mt19937 engine(static_cast<unsigned>(worker));
      std::vector<std::pair<unsigned char*, std::size_t>> held;
      for (int i = 0; i < 3000; ++i) {
        const std::size_t bytes = 1 + engine() % (i % 10 == 0 ? 200000 : 2000);
        auto* memory = static_cast<unsigned char*>(allocate_memory(bytes));
        memory[0] = memory[bytes - 1] = static_cast<unsigned char>(worker);
        held.emplace_back(memory, bytes);
        if (held.size() < 20) continue;
        const auto [old, size] = held[engine() % held.size()];
        if (old[0] != worker || old[size - 1] != worker) ++wrong;
        std::erase(held, std::pair(old, size));
        free_memory(old, size);
      }
      for (const auto& [memory, bytes] : held) free_memory(memory, bytes);
    });
  }
  for (auto& worker : workers) worker.join();
  BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(poisoned_blocks_are_nan) {
  set_memory_poison(true);
  for (int times = 0; times < 2; ++times) {  // fresh from the system, then from the cache
    const auto a = Tensor<float>::uninitialized({1000});
    const auto b = Tensor<double>::uninitialized({1000});
    BOOST_TEST(std::all_of(a.values().begin(), a.values().end(), [](float v) { return v != v; }));
    BOOST_TEST(std::all_of(b.values().begin(), b.values().end(), [](double v) { return v != v; }));
  }
}

BOOST_AUTO_TEST_CASE(what_is_kept_is_given_back_before_a_request_fails) {
  if (kAddressSanitizer || kThreadSanitizer) return;  // their own memory is without bounds
  constexpr std::size_t gibibyte = std::size_t{1} << 30;
  const LimitedAddressSpace limited(3 * gibibyte);
  free_memory(allocate_memory(2 * gibibyte), 2 * gibibyte);
  void* const larger = allocate_memory(2 * gibibyte + gibibyte / 2);
  BOOST_TEST(larger != nullptr);
  free_memory(larger, 2 * gibibyte + gibibyte / 2);
  BOOST_CHECK_THROW(allocate_memory(4 * gibibyte), std::bad_alloc);
}

BOOST_AUTO_TEST_CASE(impossible_requests_throw) {
  BOOST_CHECK_THROW(allocate_memory(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
  BOOST_CHECK_THROW(allocate_memory((std::size_t{1} << 62) + 1), std::bad_alloc);
  free_memory(nullptr, 100);
}

BOOST_AUTO_TEST_SUITE_END()
