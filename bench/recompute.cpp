// What checkpointed blocks save in memory, and what they cost in time:
//
//   recompute_bench [--blocks N] [--batch N] [--rounds N] [--threads N]
//
// Training steps of N blocks of Conv2D 3x3, BatchNormalization, ReLU on 28 x 28 images of 32
// channels: as they are, every block checkpointed, and every two. Memory is the peak of what the
// allocator took from the system during a step, above what network, gradients and input hold. Times
// are of the processor with one thread, else of the clock; the three take turns, the medians are
// printed.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <lamina/lamina.hpp>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace lamina;

struct Options {
  int blocks = 8, rounds = 9, threads = 1;
  std::int64_t batch = 64;
};

constexpr std::int64_t kSide = 28, kChannels = 32;
constexpr double kMebibyte = 1 << 20;

// `together`: how many blocks are one checkpointed block; 0: none is.
Sequential<float> network(int blocks, int together) {
  Sequential<float> net, part;
  for (int i = 1; i <= blocks; ++i) {
    part.add<Conv2D>({.filters = kChannels, .kernel = {3, 3}, .padding = Padding::same})
        .add<BatchNormalization>({})
        .add<ReLU>();
    if (together == 0) {
      net.add(std::move(part));
    } else if (i % together == 0 || i == blocks) {
      net.add(checkpointed(std::move(part)));
    } else {
      continue;
    }
    part = Sequential<float>();
  }
  net.add<GlobalAveragePool2D>().add<Dense>({.units = 10});
  return net;
}

double seconds(bool of_processor) {
  timespec time{};
  clock_gettime(of_processor ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

class Training {
 public:
  Training(std::string name, const Options& options, int together)
      : name_(std::move(name)),
        net_(network(options.blocks, together)),
        images_(Tensor<float>::uninitialized({options.batch, kSide, kSide, kChannels})),
        labels_(Tensor<std::int64_t>::zeros({options.batch})) {
    Rng(2).stream("images", 0).fill_normal<float>(images_.mutable_values(), 0, 1);
    step();  // builds the network and its gradients
  }

  void step() {
    {
      const auto ctx = Context<float>::for_training(tape_, random_);
      const auto loss = softmax_cross_entropy(net_(images_, ctx), labels_);
      saved_ = tape_.saved_bytes();
      tape_.backward(loss);
    }
    tape_.clear();
  }

  void measure_memory() {
    trim_memory_cache();
    reset_memory_peak();
    const std::size_t before = memory_counters().system_bytes;
    step();
    peak_ = memory_counters().peak_bytes - before;
  }

  void measure_time(const Options& options) {
    const double begin = seconds(options.threads == 1);
    step();
    times_.push_back(seconds(options.threads == 1) - begin);
  }

  double time() {
    std::sort(times_.begin(), times_.end());
    return times_[times_.size() / 2];
  }

  void print(double plain) {
    std::printf("%-24s %10.1f MiB %10.1f MiB %9.1f ms %7.2f\n", name_.c_str(),
                static_cast<double>(peak_) / kMebibyte, static_cast<double>(saved_) / kMebibyte,
                1e3 * time(), time() / plain);
  }

 private:
  std::string name_;
  Sequential<float> net_;
  Tensor<float> images_;
  Tensor<std::int64_t> labels_;
  Tape<float> tape_;
  Rng random_{1};
  std::int64_t saved_ = 0;
  std::size_t peak_ = 0;
  std::vector<double> times_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("What checkpointed blocks save in memory, and what they cost in time.");
  app.add_option("--blocks", options.blocks)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--batch", options.batch)->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--rounds", options.rounds)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 1024))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  set_threads(options.threads);

  std::vector<std::unique_ptr<Training>> all;
  all.push_back(std::make_unique<Training>("plain", options, 0));
  all.push_back(std::make_unique<Training>("every block", options, 1));
  all.push_back(std::make_unique<Training>("every two blocks", options, 2));
  for (const auto& training : all) training->measure_memory();
  for (int round = 0; round < options.rounds; ++round) {
    for (const auto& training : all) training->measure_time(options);
  }
  std::printf("%-24s %14s %14s %12s %7s\n", "checkpointed", "peak", "kept by tape", "a step",
              "ratio");
  for (const auto& training : all) training->print(all.front()->time());
}
