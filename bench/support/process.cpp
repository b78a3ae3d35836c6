#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <support/process.hpp>

namespace bench {
namespace {

std::vector<int> task_numbers() {
  std::vector<int> tasks;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    tasks.push_back(std::atoi(task.path().filename().c_str()));
  }
  std::sort(tasks.begin(), tasks.end());
  return tasks;
}

}  // namespace

double now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void bind_threads() {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  int cpu = -1;
  for (const int task : task_numbers()) {
    do {
      if (++cpu == CPU_SETSIZE) return;
    } while (!CPU_ISSET(cpu, &allowed));
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(task, sizeof one, &one);
  }
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
