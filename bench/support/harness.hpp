// What the programs of a comparison share: registration with Google Benchmark, clocks, rejection of
// disturbed samples, and one line of JSON per case on the standard output.
//
//   {"program": "lamina", "about": {"threads": "2", ...}}
//   {"program": "lamina", "case": "dense/128x784x512/forward", "threads": 2, "median": 1.2,
//    "minimum": 1.1, "samples": 200, "disturbed": 3, "checks": {"y": [value, scale]}}
//
//   {"program": "lamina", "peak_memory": 61.2}
//
// A work that names a baseline is timed in turn with it, and its line also says "baseline" (the
// baseline's median) and "times_baseline" (the median of the quotients of neighbouring samples).
// One with a limit says so too: "limit": {"machine/fma": 0.9}. The last line has the most memory
// that the process held, in MiB.
//
// Times are milliseconds per unit of work: with one thread CPU time of the process, with more
// threads wall time. A sample is disturbed when the process's threads waited for a CPU during more
// than 2 % of it (/proc/self/task/*/schedstat); all figures leave disturbed samples out where there
// are others. Every thread that works is bound to one of the CPUs that the process may use.
//
// Arguments: --threads N, and those of Google Benchmark (--benchmark_filter, --benchmark_min_time).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <support/limits.hpp>
#include <support/process.hpp>
#include <support/values.hpp>
#include <vector>

namespace bench {

struct Work;

// What a work is compared with in the same program.
using Baseline = std::shared_ptr<Work>;

struct Work {
  std::function<void()> run;                       // what is timed
  std::function<void()> prepare = {};              // before every run, not timed
  std::function<std::vector<Check>()> check = {};  // after the first run
  double units = 1;                                // of work in one run
  Baseline baseline = {};
  Limit limit = {};  // of one unit
};

// `make` is called when the case is about to be measured; its work is dropped before the next case.
void add(std::string name, std::function<Work()> make);

struct Program {
  std::string name;
  std::function<void(int)> set_threads;
  OnEveryThread on_every_thread;  // called after set_threads
  // What a reader must know about the library to trust the numbers.
  std::function<std::map<std::string, std::string>()> about;
};

// Measures what the arguments select; the exit status.
int run(int argc, char** argv, const Program& program);

}  // namespace bench
