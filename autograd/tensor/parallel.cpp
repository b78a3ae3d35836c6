#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <lamina/autograd/tensor/detail/cpu_quota.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace lamina {
namespace {

using Call = void (*)(void*, std::int64_t);

constexpr int kMaxThreads = 256;
constexpr auto kSpin = std::chrono::microseconds(50);

inline void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

thread_local bool inside_a_tile = false;

// The CPUs of the process: later, a thread may have bound itself to fewer.
const std::optional<cpu_set_t>& cpus_at_start() {
  static const std::optional<cpu_set_t> cpus = []() -> std::optional<cpu_set_t> {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return std::nullopt;
    return allowed;
  }();
  return cpus;
}
[[maybe_unused]] const auto& asked_before_main = cpus_at_start();

// One word tells everything: how many workers are inside the current job, whether it accepts more,
// and which job it is. A worker enters by a compare-and-swap that fails when the job has closed
// meanwhile.
constexpr std::uint32_t kCount = 0x1ff, kOpen = 0x200, kEpoch = 0x400;

class Pool {
 public:
  explicit Pool(int size)
      : size_(size), shares_(std::make_unique<Share[]>(static_cast<std::size_t>(size))) {
    start_workers();
    bind_workers();
  }
  ~Pool() {
    stop_.store(true);
    gate_.fetch_add(kEpoch);
    gate_.notify_all();
    for (auto& worker : workers_) worker.join();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int size() const noexcept { return size_; }

  void run(std::int64_t tiles, Call call, void* object) {
    call_ = call;
    object_ = object;
    failed_tile_.store(kNone, std::memory_order_relaxed);
    for (int i = 0; i < size_; ++i) {
      shares_[i].next.store(tiles * i / size_, std::memory_order_relaxed);
      shares_[i].end = tiles * (i + 1) / size_;
    }
    gate_.fetch_add(kEpoch | kOpen);  // the job was closed: the sum opens it under a new number
    if (parked_.load() > 0) gate_.notify_all();
    drain(0);
    wait_until_empty();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();

  // Every participant starts in its own contiguous share (the same tiles meet the same caches in
  // successive jobs) and then takes from the others.
  struct alignas(128) Share {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };

  // As many as the system gives: what a missing one would have done is taken by the others.
  void start_workers() {
    workers_.reserve(static_cast<std::size_t>(size_ - 1));
    try {
      for (int self = 1; self < size_; ++self) workers_.emplace_back([this, self] { work(self); });
    } catch (const std::system_error&) {
    }
  }

  void drain(int self) {
    inside_a_tile = true;
    for (int offset = 0; offset < size_; ++offset) {
      Share& share = shares_[(self + offset) % size_];
      for (;;) {
        const std::int64_t tile = share.next.fetch_add(1, std::memory_order_relaxed);
        if (tile >= share.end) break;
        // Those before it still run: which exception arrives does not depend on the threads.
        if (tile < failed_tile_.load(std::memory_order_relaxed)) run_one(tile);
      }
    }
    inside_a_tile = false;
  }

  void run_one(std::int64_t tile) {
    try {
      call_(object_, tile);
    } catch (...) {
      std::lock_guard lock(error_mutex_);
      if (tile < failed_tile_.load(std::memory_order_relaxed)) {
        error_ = std::current_exception();
        failed_tile_.store(tile, std::memory_order_relaxed);
      }
    }
  }

  void wait_until_empty() {
    std::uint32_t gate = gate_.fetch_and(~kOpen) & ~kOpen;
    for (int spins = 0; gate & kCount; gate = gate_.load(std::memory_order_acquire)) {
      if (++spins < 20000) {
        pause_briefly();
      } else {
        std::this_thread::yield();  // a worker inside has lost its core
      }
    }
  }

  void work(int self) {
    std::uint32_t served = 0;
    for (;;) {
      std::uint32_t gate = wait_for_a_job(served);
      if (stop_.load()) return;
      if (!gate_.compare_exchange_strong(gate, gate + 1, std::memory_order_acq_rel)) continue;
      served = gate / kEpoch;
      drain(self);
      gate_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::uint32_t wait_for_a_job(std::uint32_t served) {
    using Clock = std::chrono::steady_clock;
    const auto idle = [&](std::uint32_t gate) {
      return (!(gate & kOpen) || gate / kEpoch == served) && !stop_.load(std::memory_order_relaxed);
    };
    std::uint32_t gate = gate_.load(std::memory_order_acquire);
    auto until = Clock::now() + kSpin;
    for (unsigned spins = 1; idle(gate); gate = gate_.load(std::memory_order_acquire)) {
      if (spins++ % 64 != 0 || Clock::now() < until) {
        pause_briefly();
        continue;
      }
      parked_.fetch_add(1);
      gate = gate_.load();
      if (idle(gate)) gate_.wait(gate);
      parked_.fetch_sub(1);
      until = Clock::now() + kSpin;
    }
    return gate;
  }

  // Unbound, the kernel often wakes a parked worker on the caller's own core. So each has a CPU of
  // its own where the pool has as many threads as there are CPUs; the caller stays free. With fewer,
  // another process may have chosen the same ones: then the kernel places them, anywhere it may and
  // not only where the caller is bound.
  void bind_workers() {
    const std::optional<cpu_set_t>& allowed = cpus_at_start();
    if (!allowed) return;
    const bool one_each = CPU_COUNT(&*allowed) == size_;
    int cpu = next_of(*allowed, -1);
    for (std::thread& worker : workers_) {
      cpu_set_t own = *allowed;
      if (one_each) {
        cpu = next_of(*allowed, cpu);
        CPU_ZERO(&own);
        CPU_SET(cpu, &own);
      }
      pthread_setaffinity_np(worker.native_handle(), sizeof own, &own);
    }
  }
  static int next_of(const cpu_set_t& set, int cpu) {
    do {
      ++cpu;
    } while (!CPU_ISSET(cpu, &set));
    return cpu;
  }

  alignas(128) std::atomic<std::uint32_t> gate_{0};
  alignas(128) std::atomic<int> parked_{0};
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> failed_tile_{kNone};  // the first of those that failed
  Call call_ = nullptr;
  void* object_ = nullptr;
  const int size_;
  std::unique_ptr<Share[]> shares_;
  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::vector<std::thread> workers_;
};

int default_threads() {
  const std::optional<cpu_set_t>& allowed = cpus_at_start();
  const int cpus =
      allowed ? CPU_COUNT(&*allowed) : static_cast<int>(std::thread::hardware_concurrency());
  // Half a CPU that is left over is worth a thread.
  const double usable = std::min(static_cast<double>(cpus), std::ceil(detail::cpu_quota()));
  return static_cast<int>(std::clamp(usable, 1.0, static_cast<double>(kMaxThreads)));
}

struct Pools {
  std::mutex busy;  // held while a job runs and while the pool is replaced
  std::atomic<int> size{default_threads()};
  std::unique_ptr<Pool> pool;  // made by the first job that needs it
};

// Never destroyed: threads and static objects may compute while the program ends.
Pools& pools() {
  static Pools& pools = *new Pools;
  return pools;
}

}  // namespace

int threads() { return pools().size.load(std::memory_order_relaxed); }

void set_threads(int count) {
  if (count < 1 || count > kMaxThreads) {
    throw ArgumentError("set_threads",
                        "the number of threads must lie in [1, 256]; got " + std::to_string(count));
  }
  if (inside_a_tile) {
    throw StateError("set_threads", "must not be called inside parallel_for; got a call by a tile");
  }
  Pools& all = pools();
  std::lock_guard lock(all.busy);
  if (all.pool && all.pool->size() != count) all.pool.reset();
  all.size.store(count, std::memory_order_relaxed);
}

void detail::run_tiles(std::int64_t tiles, Call call, void* object) {
  Pools& all = pools();
  std::unique_lock lock(all.busy, std::defer_lock);
  if (tiles <= 1 || inside_a_tile || threads() == 1 || !lock.try_lock()) {
    for (std::int64_t tile = 0; tile < tiles; ++tile) call(object, tile);
    return;
  }
  if (!all.pool) all.pool = std::make_unique<Pool>(threads());
  all.pool->run(tiles, call, object);
}

}  // namespace lamina
