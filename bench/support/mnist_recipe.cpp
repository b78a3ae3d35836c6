#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <stdexcept>
#include <support/mnist_recipe.hpp>
#include <support/process.hpp>
#include <support/values.hpp>

namespace bench {
namespace {

constexpr std::size_t kPixels = 28 * 28;
constexpr double kLowRate = 0.01, kHighRate = 0.1, kRising = 0.3;

// The bytes of an IDX file behind its header, whose length is known.
std::vector<unsigned char> idx_bytes(const std::string& path, std::size_t header) {
  std::ifstream file(path, std::ios::binary);
  std::vector<unsigned char> bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.size() <= header) throw std::runtime_error(path + " is missing or not of MNIST");
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header));
  return bytes;
}

Digits read_digits(const std::string& folder, const std::string& part) {
  Digits digits;
  const auto pixels = idx_bytes(folder + "/" + part + "-images-idx3-ubyte", 16);
  const auto labels = idx_bytes(folder + "/" + part + "-labels-idx1-ubyte", 8);
  if (pixels.size() != kPixels * labels.size()) {
    throw std::runtime_error(folder + ": images and labels do not belong together");
  }
  digits.pixels.reserve(pixels.size());
  for (const unsigned char value : pixels) {
    digits.pixels.push_back(static_cast<float>((value / 255.0 - 0.1307) / 0.3081));
  }
  digits.labels.assign(labels.begin(), labels.end());
  return digits;
}

double learning_rate(std::int64_t step, std::int64_t steps) {
  const double done = static_cast<double>(step) / static_cast<double>(steps);
  if (done < kRising) return kLowRate + (kHighRate - kLowRate) * done / kRising;
  return kHighRate * (1 - done) / (1 - kRising);
}

// Fisher and Yates, from the stream of the seed and the epoch.
std::vector<std::int64_t> permutation(std::uint64_t seed, std::int64_t epoch, std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  const std::uint64_t stream = 10000 + 1000 * seed + static_cast<std::uint64_t>(epoch);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random_bits(stream, i) % i]);
  }
  return order;
}

Recipe parsed(int argc, char** argv) {
  Recipe recipe;
  const std::map<std::string, std::function<void(const char*)>> options{
      {"--model", [&](const char* text) { recipe.model = text; }},
      {"--layout", [&](const char* text) { recipe.layout = text; }},
      {"--data", [&](const char* text) { recipe.data = text; }},
      {"--epochs", [&](const char* text) { recipe.epochs = std::atoi(text); }},
      {"--steps", [&](const char* text) { recipe.steps = std::atoi(text); }},
      {"--seed", [&](const char* text) { recipe.seed = std::strtoull(text, nullptr, 10); }},
      {"--threads", [&](const char* text) { recipe.threads = std::atoi(text); }}};
  for (int i = 1; i < argc; i += 2) {
    const auto option = options.find(argv[i]);
    if (option == options.end() || i + 1 == argc) {
      throw std::runtime_error(std::string(argv[i]) + " is no option, or its value is missing");
    }
    option->second(argv[i + 1]);
  }
  const bool known = (recipe.model == "cnn" || recipe.model == "mlp") &&
                     (recipe.layout == "nhwc" || recipe.layout == "nchw");
  if (!known || recipe.epochs < 1 || recipe.steps < 0 || recipe.threads < 1) {
    throw std::runtime_error("a value is not among those that its option takes");
  }
  return recipe;
}

}  // namespace

int run_recipe(int argc, char** argv, const Library& library) try {
  const Recipe recipe = parsed(argc, argv);
  const Digits training = read_digits(recipe.data, "train"),
               test = read_digits(recipe.data, "t10k");
  library.set_threads(recipe.threads);
  bind_threads(recipe.threads, library.on_every_thread);
  const std::unique_ptr<Learner> learner = library.make(recipe, training);
  const std::int64_t in_epoch = training.size() / kBatch, steps = recipe.epochs * in_epoch;
  const double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  for (std::int64_t epoch = 0; epoch < recipe.epochs; ++epoch) {
    const std::vector<std::int64_t> order = permutation(recipe.seed, epoch, training.size());
    const std::int64_t count = recipe.steps > 0 ? std::min(recipe.steps, in_epoch) : in_epoch;
    for (std::int64_t i = 0; i < count; ++i) {
      learner->step(std::span(order).subspan(static_cast<std::size_t>(i * kBatch), kBatch),
                    learning_rate(epoch * in_epoch + i, steps));
    }
  }
  const double seconds = now(CLOCK_MONOTONIC) - wall;
  const double cpu_seconds = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  const double accuracy =
      static_cast<double>(learner->right_answers(test)) / static_cast<double>(test.size());
  std::printf(
      "{\"program\": \"%s\", \"model\": \"%s\", \"epochs\": %lld, \"seed\": %llu, \"threads\": %d, "
      "\"seconds\": %.4f, \"cpu_seconds\": %.4f, \"accuracy\": %.4f, \"peak_memory\": %.1f}\n",
      library.name.c_str(), recipe.model.c_str(), static_cast<long long>(recipe.epochs),
      static_cast<unsigned long long>(recipe.seed), recipe.threads, seconds, cpu_seconds, accuracy,
      peak_memory());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
  return 1;
}

}  // namespace bench
