#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <support/harness.hpp>
#include <support/process.hpp>

namespace bench {
namespace {

constexpr double kToleratedDelay = 0.02;
constexpr int kWarmUps = 3;

std::string program_name;
int thread_count = 1;
bool failed = false;
// Of the case that was measured last.
std::vector<Check> checks;
Limit limit;

class Samples {
 public:
  void take(const Work& work, const RunQueue& queue, benchmark::State& state) {
    Sample sample = timed(work, queue);
    state.SetIterationTime(1e-3 * sample.time * work.units);
    if (work.baseline) {
      const Sample base = timed(*work.baseline, queue);
      sample.baseline = base.time;
      sample.disturbed = sample.disturbed || base.disturbed;
    }
    (sample.disturbed ? disturbed_ : clean_).push_back(sample);
  }

  void report(benchmark::State& state, const Work& work) {
    const std::vector<Sample>& counted = clean_.empty() ? disturbed_ : clean_;
    const auto sorted = [&](auto value) {
      std::vector<double> values;
      for (const Sample& sample : counted) values.push_back(value(sample));
      std::sort(values.begin(), values.end());
      return values;
    };
    const std::vector<double> times = sorted([](const Sample& s) { return s.time; });
    state.counters["median"] = median(times);
    state.counters["minimum"] = times.front();
    state.counters["samples"] = static_cast<double>(clean_.size() + disturbed_.size());
    state.counters["disturbed"] = static_cast<double>(disturbed_.size());
    if (!work.baseline) return;
    state.counters["baseline"] = median(sorted([](const Sample& s) { return s.baseline; }));
    state.counters["times_baseline"] =
        median(sorted([](const Sample& s) { return s.time / s.baseline; }));
  }

 private:
  struct Sample {
    double time, baseline;  // milliseconds per unit of work
    bool disturbed;
  };

  static Sample timed(const Work& work, const RunQueue& queue) {
    if (work.prepare) work.prepare();
    const double delay = queue.delay();
    const double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    work.run();
    const double cpu_seconds = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    const double wall_seconds = now(CLOCK_MONOTONIC) - wall;
    const bool disturbed = queue.delay() - delay > kToleratedDelay * wall_seconds;
    const double seconds = thread_count == 1 ? cpu_seconds : wall_seconds;
    return {.time = 1e3 * seconds / work.units, .baseline = 0, .disturbed = disturbed};
  }

  static double median(const std::vector<double>& sorted) {
    return (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
  }

  std::vector<Sample> clean_, disturbed_;
};

// Google Benchmark calls a case several times to find the number of iterations: the inputs are made
// once and stay until another case begins.
const Work& made(const std::string& name, const std::function<Work()>& make) {
  static std::string current;
  static std::unique_ptr<Work> work;
  if (current == name) return *work;
  current.clear();
  work.reset();
  work = std::make_unique<Work>(make());
  current = name;
  checks.clear();
  limit = work->limit;
  for (int i = 0; i <= kWarmUps; ++i) {
    for (const Work* each : {work.get(), work->baseline.get()}) {
      if (!each) continue;
      if (each->prepare) each->prepare();
      each->run();
    }
    if (i == 0 && work->check) checks = work->check();
  }
  return *work;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

// JSON has no NaN: what is not finite is null, which agrees with nothing.
std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

class JsonLines : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (!run.counters.count("median")) continue;  // failed, and said so
      std::string line = "{\"program\": " + in_quotes(program_name) +
                         ", \"case\": " + in_quotes(run.run_name.function_name) +
                         ", \"threads\": " + std::to_string(thread_count);
      for (const char* name :
           {"median", "minimum", "samples", "disturbed", "baseline", "times_baseline"}) {
        if (!run.counters.count(name)) continue;
        line += ", " + in_quotes(name) + ": " + number(run.counters.at(name).value);
      }
      line += ", \"limit\": {";
      const char* separator = "";
      for (const auto& [name, count] : limit) {
        line += separator + in_quotes(name) + ": " + number(count);
        separator = ", ";
      }
      line += "}, \"checks\": {";
      separator = "";
      for (const Check& check : checks) {
        line += separator + in_quotes(check.name) + ": [" + number(check.value) + ", " +
                number(check.scale) + "]";
        separator = ", ";
      }
      std::printf("%s}}\n", line.c_str());
      std::fflush(stdout);
    }
  }
};

void print_about(const Program& program) {
  std::string line = "{\"program\": " + in_quotes(program.name) + ", \"about\": {";
  const char* separator = "";
  for (const auto& [name, value] : program.about()) {
    line += separator + in_quotes(name) + ": " + in_quotes(value);
    separator = ", ";
  }
  std::printf("%s}}\n", line.c_str());
}

// Takes --threads N out of the arguments.
bool take_threads(int& argc, char** argv) {
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) != "--threads") {
      argv[kept++] = argv[i];
      continue;
    }
    if (++i == argc) return false;
    thread_count = std::atoi(argv[i]);
  }
  argc = kept;
  argv[argc] = nullptr;
  return thread_count >= 1;
}

}  // namespace

void add(std::string name, std::function<Work()> make) {
  const auto measure = [name, make = std::move(make)](benchmark::State& state) {
    try {
      const Work& work = made(name, make);
      const RunQueue queue;
      Samples samples;
      for ([[maybe_unused]] auto _ : state) samples.take(work, queue, state);
      samples.report(state, work);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
      failed = true;
      state.SkipWithError(error.what());
    }
  };
  benchmark::RegisterBenchmark(name.c_str(), measure)->UseManualTime();
}

int run(int argc, char** argv, const Program& program) {
  if (!take_threads(argc, argv)) {
    std::fprintf(stderr, "--threads needs a number from 1 on\n");
    return 2;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  program_name = program.name;
  program.set_threads(thread_count);
  bind_threads(thread_count, program.on_every_thread);
  print_about(program);
  JsonLines reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  std::printf("{\"program\": %s, \"peak_memory\": %s}\n", in_quotes(program_name).c_str(),
              number(peak_memory()).c_str());
  return failed ? 1 : 0;
}

}  // namespace bench
