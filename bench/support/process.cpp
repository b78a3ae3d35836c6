#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <support/process.hpp>
#include <thread>

namespace bench {
namespace {

constexpr double kPatience = 5;  // seconds

std::vector<int> task_numbers() {
  std::vector<int> tasks;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    tasks.push_back(std::atoi(task.path().filename().c_str()));
  }
  std::sort(tasks.begin(), tasks.end());
  return tasks;
}

std::vector<int> cpus_of(const cpu_set_t& allowed) {
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

void bind_this_thread(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  sched_setaffinity(0, sizeof one, &one);
}

}  // namespace

double now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void bind_threads(int count, const OnEveryThread& on_every_thread) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  const std::vector<int> cpus = cpus_of(allowed);
  const auto caller = std::this_thread::get_id();
  std::atomic<int> others{0}, here{0};
  on_every_thread([&] {
    const auto place =
        static_cast<std::size_t>(std::this_thread::get_id() == caller ? 0 : ++others);
    if (place < cpus.size()) bind_this_thread(cpus[place]);
    // One that went on could take the call of another, which has not begun yet. A library that has
    // fewer threads than it was asked for must not wait forever.
    const double begin = now(CLOCK_MONOTONIC);
    for (++here; here < count && now(CLOCK_MONOTONIC) - begin < kPatience;) {
      std::this_thread::yield();
    }
  });
}

double peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;
  }
  return 0;
}

RunQueue::RunQueue() {
  for (const int task : task_numbers()) {
    const std::string path = "/proc/self/task/" + std::to_string(task) + "/schedstat";
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file >= 0) files_.push_back(file);
  }
}

RunQueue::~RunQueue() {
  for (const int file : files_) close(file);
}

double RunQueue::delay() const {
  double nanoseconds = 0;
  for (const int file : files_) {
    char text[128];
    const ssize_t length = pread(file, text, sizeof text - 1, 0);
    if (length <= 0) continue;
    text[length] = '\0';
    unsigned long long running = 0, waiting = 0;
    if (std::sscanf(text, "%llu %llu", &running, &waiting) == 2) {
      nanoseconds += static_cast<double>(waiting);
    }
  }
  return 1e-9 * nanoseconds;
}

}  // namespace bench
