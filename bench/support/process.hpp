// What a program that is measured knows about itself: clocks, its threads, its memory.
#pragma once

#include <ctime>
#include <functional>
#include <vector>

namespace bench {

// Seconds.
double now(clockid_t clock);

// Calls a function on every thread that a library works with, once on each, all at the same time.
using OnEveryThread = std::function<void(const std::function<void()>&)>;

// Binds the calling thread to the first CPU that it may use, and each other one of so many threads
// to another. Those that a process has besides, and that do nothing, are left alone.
void bind_threads(int count, const OnEveryThread& on_every_thread);

// The most memory that the process has held, in MiB.
double peak_memory();

// How long the threads that exist now have waited for a CPU (/proc/self/task/*/schedstat).
class RunQueue {
 public:
  RunQueue();
  ~RunQueue();
  RunQueue(const RunQueue&) = delete;
  RunQueue& operator=(const RunQueue&) = delete;

  // Seconds, summed over the threads; 0 where the kernel does not tell.
  double delay() const;

 private:
  std::vector<int> files_;
};

}  // namespace bench
