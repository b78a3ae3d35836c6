#include <algorithm>
#include <checkpoint_training.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <lamina/lamina.hpp>
#include <support/networks.hpp>
#include <vector>

namespace bench {
namespace {

using namespace lamina;

constexpr int kQuietSteps = 4;  // of a round

class Training {
 public:
  explicit Training(std::int64_t batch_size)
      : batch_(data::synthetic_digits({.examples = batch_size}).batch<float>(0, batch_size)) {
    step();
  }

  void step() {
    const auto ctx = Context<float>::for_training(tape_, random_);
    const auto loss = softmax_cross_entropy(net_(batch_.features, ctx), batch_.labels);
    tape_.backward(loss);
    optimizer_.step();
    optimizer_.zero_gradients();
    tape_.clear();
  }

  Sequential<float>& net() { return net_; }
  Optimizer<float>& optimizer() { return optimizer_; }

 private:
  Sequential<float> net_ = make_cnn(Layout::channels_last);
  Batch<float> batch_;
  Tape<float> tape_;
  Rng random_{1};
  Adam<float> optimizer_{net_.parameters(), {.learning_rate = 1e-3}};
};

// What the checkpoint holds besides the training's own state.
struct Ballast : TrainingState<float> {
  Tensor<float> values;
  explicit Ballast(std::int64_t mebibytes) : values({mebibytes, 1 << 18}, 1.0F) {}
  void visit(StateVisitor<float>& visitor) override { visitor("ballast", values); }
};

template <class Work>
double seconds(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

struct Times {
  std::vector<double> quiet, call, first, later, whole;
};

void round(Training& training, BackgroundSaver& saver, const CheckpointParts<float>& parts,
           const std::string& folder, Times& times) {
  for (int i = 0; i < kQuietSteps; ++i) times.quiet.push_back(seconds([&] { training.step(); }));
  const double whole = seconds([&] {
    times.call.push_back(seconds([&] { saver.save_generation(folder, parts, {.keep = 2}); }));
    times.first.push_back(seconds([&] { training.step(); }));
    while (saver.busy()) {
      const double step = seconds([&] { training.step(); });
      if (saver.busy()) times.later.push_back(step);
    }
    saver.wait();
  });
  times.whole.push_back(whole);
}

}  // namespace

void print_checkpoint_training_heading() {
  std::printf("%10s %10s %20s %22s %22s %10s\n", "state", "a step", "the call",
              "the step behind it", "steps while writing", "until done");
}

void measure_checkpoint_training(const CheckpointTrainingOptions& options) {
  const std::string folder = options.folder + "/checkpoint_bench.run";
  std::filesystem::remove_all(folder);
  Training training(options.batch_size);
  Ballast ballast(options.mebibytes);
  const CheckpointParts<float> parts{training.net(), &training.optimizer(), &ballast};
  BackgroundSaver saver;
  Times times;
  for (int n = 0; n <= options.rounds; ++n) {
    if (n == 1) times = {};  // warm
    round(training, saver, parts, folder, times);
  }
  const auto file_size = std::filesystem::file_size(list_generations(folder).back());
  std::filesystem::remove_all(folder);

  const double step = median(times.quiet);
  const auto beside = [&](const std::vector<double>& of) {
    char text[64] = "-";
    const double value = median(of);
    if (!of.empty()) {
      std::snprintf(text, sizeof text, "%.1f ms (%+.1f %%)", 1e3 * value,
                    100 * (value - step) / step);
    }
    return std::string(text);
  };
  char call[64];
  std::snprintf(call, sizeof call, "%.3f ms (%.2f %%)", 1e3 * median(times.call),
                100 * median(times.call) / step);
  std::printf("%6.1f MiB %7.1f ms %20s %22s %22s %7.0f ms\n",
              static_cast<double>(file_size) / (1 << 20), 1e3 * step, call,
              beside(times.first).c_str(), beside(times.later).c_str(), 1e3 * median(times.whole));
}

}  // namespace bench
