// What a program that is measured knows about itself: clocks, its threads, its memory.
#pragma once

#include <ctime>
#include <vector>

namespace bench {

// Seconds.
double now(clockid_t clock);

// The k-th thread of the process on the k-th CPU that it may use.
void bind_threads();

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
