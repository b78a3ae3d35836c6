// launch COMMAND...: runs it and prints what it cost, as one line of JSON. A process of its own,
// because the memory of a child that a large process starts is counted from what that process held.
//   {"status": 0, "seconds": 0.012, "cpu_seconds": 0.010, "peak_memory": 9.1}      (MiB)
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <support/process.hpp>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const double begin = bench::now(CLOCK_MONOTONIC);
  const pid_t child = fork();
  if (child == 0) {
    const int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing >= 0) dup2(nothing, STDOUT_FILENO);
    execvp(argv[1], argv + 1);
    std::perror(argv[1]);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child) return 1;
  const double seconds = bench::now(CLOCK_MONOTONIC) - begin;
  const auto in_seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  std::printf("{\"status\": %d, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"peak_memory\": %.2f}\n",
              WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), seconds,
              in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime),
              static_cast<double>(usage.ru_maxrss) / 1024);
  return 0;
}
