// Training on the real MNIST to a given accuracy: one recipe, the same batches and initial weights
// for every library.
//
// Pixels (v / 255 - 0.1307) / 0.3081; batches of 128, a new permutation every epoch, the last
// partial batch dropped; SGD with momentum 0.9, whose learning rate rises linearly from 0.01 to 0.1
// over the first 30 % of all steps and then falls linearly to 0. Only training is timed: not
// reading files, not evaluation.
//
// A program prints one line of JSON:
//   {"program": "lamina", "model": "cnn", "epochs": 1, "seed": 1, "threads": 2, "seconds": 20.1,
//    "cpu_seconds": 40.0, "accuracy": 0.9912, "peak_memory": 512.3}
// and takes --model cnn|mlp, --epochs N, --seed N, --threads N, --data FOLDER (the four files of
// MNIST), --layout nhwc|nchw, and --steps N to stop early.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <support/process.hpp>
#include <support/shapes.hpp>
#include <vector>

namespace bench {

struct Digits {
  std::vector<float> pixels;  // 784 of every image
  std::vector<std::int64_t> labels;

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
};

struct Recipe {
  std::string model = "cnn", layout = "nhwc", data;
  std::int64_t epochs = 1, steps = 0;  // of an epoch; 0: all
  std::uint64_t seed = 1;
  int threads = 1;

  // The first stream of the kernels' initial values.
  std::uint64_t kernels() const { return 1000 + 100 * seed; }
};

// Initial kernels lie within 1 / sqrt(fan_in), as PyTorch's do: those of bench::kernel_values times
// this.
inline constexpr float kKernelFactor = 0.40824829f;  // 1 / sqrt(6)

// What a library does of it.
class Learner {
 public:
  virtual ~Learner() = default;
  // One step on these images, gathered from all of them.
  virtual void step(std::span<const std::int64_t> images, double learning_rate) = 0;
  // How many of them the network names rightly.
  virtual std::int64_t right_answers(const Digits& images) = 0;
};

struct Library {
  std::string name;
  std::function<void(int)> set_threads;
  OnEveryThread on_every_thread;  // called after set_threads
  std::function<std::unique_ptr<Learner>(const Recipe&, const Digits& training)> make;
};

// Does what the arguments ask for; the exit status.
int run_recipe(int argc, char** argv, const Library& library);

}  // namespace bench
