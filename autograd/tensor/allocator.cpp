#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <lamina/autograd/tensor/allocator.hpp>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define LAMINA_BYPASS_CACHE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LAMINA_BYPASS_CACHE 1
#endif
#endif

namespace lamina {
namespace {

#ifdef LAMINA_BYPASS_CACHE
constexpr bool kCaching = false;
#else
constexpr bool kCaching = true;
#endif

constexpr std::align_val_t kAlignment{64};
constexpr std::size_t kSmall = 64 * 1024;           // larger blocks never enter a thread's list
constexpr std::size_t kThreadLimit = 2 * 1024 * 1024;  // of one thread's list
constexpr int kClasses = 4 * 64;

// Classes 0..3 are 64, 128, 192, 256 bytes; then every power of two is divided in four.
int class_of(std::size_t bytes) {
  const std::size_t units = std::max<std::size_t>((bytes + 63) / 64, 1);
  if (units <= 4) return static_cast<int>(units) - 1;
  const int exponent = std::bit_width(units - 1) - 1;  // 2^exponent <= units - 1
  const std::size_t quarter = (units - 1) >> (exponent - 2);  // 4..7
  return 4 * (exponent - 1) + static_cast<int>(quarter) - 4;
}

std::size_t bytes_of_class(int index) {
  if (index < 4) return 64 * static_cast<std::size_t>(index + 1);
  const int exponent = index / 4 + 1;
  const std::size_t quarter = static_cast<std::size_t>(index % 4) + 4;
  return ((quarter + 1) << (exponent - 2)) * 64;
}

struct FreeBlock {
  FreeBlock* next;
};

struct FreeLists {
  std::array<FreeBlock*, kClasses> head{};

  void push(int index, void* memory) {
    head[static_cast<std::size_t>(index)] =
        new (memory) FreeBlock{head[static_cast<std::size_t>(index)]};
  }
  void* pop(int index) {
    FreeBlock*& first = head[static_cast<std::size_t>(index)];
    FreeBlock* block = first;
    if (block) first = block->next;
    return block;
  }
};

// Kernels walk large tensors with large steps: on pages of 4 KiB they would wait for addresses to
// be translated, and a fresh block for each page to be zeroed by itself. Where the system has none
// to give, the block is as good as any.
void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(MADV_HUGEPAGE)
  constexpr std::size_t kHugePage = 2 * 1024 * 1024;
  constexpr std::uintptr_t kPage = 4096;
  if (!kCaching || bytes < kHugePage) return;
  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(memory) / kPage * kPage;
  madvise(reinterpret_cast<void*>(begin), bytes, MADV_HUGEPAGE);
#endif
}

class SystemMemory {
 public:
  // Null where the system has none.
  void* take(std::size_t bytes) noexcept {
    void* memory = ::operator new(bytes, kAlignment, std::nothrow);
    if (!memory) return nullptr;
    prefer_huge_pages(memory, bytes);
    allocations_.fetch_add(1, std::memory_order_relaxed);
    const std::size_t now = bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    std::size_t peak = peak_.load(std::memory_order_relaxed);
    while (peak < now && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
    return memory;
  }
  void give(void* memory, std::size_t bytes) noexcept {
    bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    ::operator delete(memory, kAlignment);
  }
  void reset_peak() noexcept {
    peak_.store(bytes_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  MemoryCounters counters() const {
    return {.system_allocations = allocations_.load(std::memory_order_relaxed),
            .system_bytes = bytes_.load(std::memory_order_relaxed),
            .peak_bytes = peak_.load(std::memory_order_relaxed)};
  }

 private:
  std::atomic<std::int64_t> allocations_{0};
  std::atomic<std::size_t> bytes_{0}, peak_{0};
};

// The process-wide list. Never destroyed: tensors with static storage may be freed after it.
class SharedCache {
 public:
  explicit SharedCache(SystemMemory& system) : system_(system) {}

  void* take(int index) {
    std::lock_guard lock(mutex_);
    void* memory = lists_.pop(index);
    if (memory) bytes_.fetch_sub(bytes_of_class(index), std::memory_order_relaxed);
    return memory;
  }
  void give(int index, void* memory) noexcept {
    const std::size_t bytes = bytes_of_class(index);
    {
      std::lock_guard lock(mutex_);
      if (bytes_.load(std::memory_order_relaxed) + bytes <= limit_) {
        lists_.push(index, memory);
        bytes_.fetch_add(bytes, std::memory_order_relaxed);
        return;
      }
    }
    system_.give(memory, bytes);
  }
  void set_limit(std::size_t limit) {
    std::lock_guard lock(mutex_);
    limit_ = limit;
    shrink(limit);
  }
  void trim() {
    std::lock_guard lock(mutex_);
    shrink(0);
  }
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  void shrink(std::size_t limit) {
    for (int index = kClasses; index-- > 0 && bytes_.load(std::memory_order_relaxed) > limit;) {
      const std::size_t bytes = bytes_of_class(index);
      while (bytes_.load(std::memory_order_relaxed) > limit) {
        void* memory = lists_.pop(index);
        if (!memory) break;
        bytes_.fetch_sub(bytes, std::memory_order_relaxed);
        system_.give(memory, bytes);
      }
    }
  }

  SystemMemory& system_;
  std::mutex mutex_;
  FreeLists lists_;
  std::atomic<std::size_t> bytes_{0};
  std::size_t limit_ = std::size_t{4} << 30;
};

SystemMemory& system_memory() {
  static SystemMemory system;
  return system;
}

SharedCache& shared_cache() {
  static SharedCache& cache = *new SharedCache(system_memory());
  return cache;
}

std::atomic<bool> poison{false};
std::atomic<std::size_t> thread_cached_bytes{0};  // what all threads' lists hold, refreshed in steps

// One thread's list. After its destruction (at thread exit) blocks go to the process-wide list.
class ThreadCache {
 public:
  ~ThreadCache() {
    alive_ = false;
    flush();
  }
  void* take(int index) {
    void* memory = lists_.pop(index);
    if (memory) account(-static_cast<std::ptrdiff_t>(bytes_of_class(index)));
    return memory;
  }
  bool give(int index, void* memory) noexcept {
    const std::size_t bytes = bytes_of_class(index);
    if (bytes_ + bytes > kThreadLimit) return false;
    lists_.push(index, memory);
    account(static_cast<std::ptrdiff_t>(bytes));
    return true;
  }
  void flush() noexcept {
    for (int index = 0; index < kClasses; ++index) {
      while (void* memory = take(index)) shared_cache().give(index, memory);
    }
    publish();
  }
  static ThreadCache* mine() {
    static thread_local ThreadCache cache;
    return alive_ ? &cache : nullptr;
  }

 private:
  // The shared counter is touched only every 64 KiB: a locked add per tensor would cost more than
  // the free list itself.
  void account(std::ptrdiff_t change) noexcept {
    bytes_ += static_cast<std::size_t>(change);
    unpublished_ += change;
    if (unpublished_ > 65536 || unpublished_ < -65536) publish();
  }
  void publish() noexcept {
    thread_cached_bytes.fetch_add(static_cast<std::size_t>(unpublished_),
                                  std::memory_order_relaxed);
    unpublished_ = 0;
  }

  FreeLists lists_;
  std::size_t bytes_ = 0;
  std::ptrdiff_t unpublished_ = 0;
  static thread_local bool alive_;
};
thread_local bool ThreadCache::alive_ = true;

void* take_from_system(std::size_t bytes) {
  if (void* memory = system_memory().take(bytes)) return memory;
  shared_cache().trim();  // what is missing may be kept there
  if (void* memory = system_memory().take(bytes)) return memory;
  throw std::bad_alloc();
}

void* take_cached(int index, std::size_t bytes) {
  if (bytes <= kSmall) {
    if (ThreadCache* mine = ThreadCache::mine()) {
      if (void* memory = mine->take(index)) return memory;
    }
  }
  return shared_cache().take(index);
}

}  // namespace

void* allocate_memory(std::size_t bytes) {
  if (bytes > (std::size_t{1} << 62)) throw std::bad_alloc();
  const int index = class_of(bytes);
  const std::size_t rounded = kCaching ? bytes_of_class(index) : std::max<std::size_t>(bytes, 1);
  void* memory = kCaching ? take_cached(index, rounded) : nullptr;
  if (!memory) memory = take_from_system(rounded);
  if (poison.load(std::memory_order_relaxed)) std::memset(memory, 0xff, rounded);
  return memory;
}

void free_memory(void* memory, std::size_t bytes) noexcept {
  if (!memory) return;
  if (!kCaching) return system_memory().give(memory, std::max<std::size_t>(bytes, 1));
  const int index = class_of(bytes);
  if (bytes_of_class(index) <= kSmall) {
    ThreadCache* mine = ThreadCache::mine();
    if (mine && mine->give(index, memory)) return;
  }
  shared_cache().give(index, memory);
}

MemoryCounters memory_counters() {
  MemoryCounters counters = system_memory().counters();
  counters.cached_bytes =
      shared_cache().bytes() + thread_cached_bytes.load(std::memory_order_relaxed);
  return counters;
}

void reset_memory_peak() { system_memory().reset_peak(); }

void set_memory_cache_limit(std::size_t bytes) { shared_cache().set_limit(bytes); }

void trim_memory_cache() {
  if (ThreadCache* mine = ThreadCache::mine()) mine->flush();
  shared_cache().trim();
}

void set_memory_poison(bool on) { poison.store(on, std::memory_order_relaxed); }

}  // namespace lamina
