// Checkpoints: a run that is interrupted and resumed ends in the same bytes as one that was not.
//
// Two runs of the open loop, one through, one cut in the middle: its network, optimizer and
// position go into a file, everything is made anew, and the rest is trained.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <lamina/lamina.hpp>

using namespace lamina;

namespace {

Sequential<float> make_network() {
  Sequential<float> net;
  net.add<Flatten>()
      .add<Dense>({.units = 32, .use_bias = false})
      .add<BatchNormalization>({.momentum = 0.9})
      .add<ReLU>()
      .add<Dropout>({.rate = 0.2})
      .add<Dense>({.units = 10});
  return net;
}

// Everything that training changes, and what a checkpoint must hold of it.
class Training : public TrainingState<float> {
 public:
  Training(const Dataset& digits, std::uint64_t seed)
      : rng_(seed), loader_(digits, {.batch_size = 50, .shuffle = true, .seed = seed}) {}

  // Names what is neither the network's nor the optimizer's: random numbers and the place in the
  // data.
  void visit(StateVisitor<float>& v) override {
    std::int64_t step = rng_.step();
    v("random_step", step);
    rng_.set_step(step);
    v("epoch", epoch_);
  }

  void run(int epochs) {
    for (int i = 0; i < epochs; ++i, ++epoch_) {
      loader_.set_epoch(epoch_);
      for (auto [images, labels] : loader_) {
        const auto ctx = Context<float>::for_training(tape_, rng_);
        const auto loss = softmax_cross_entropy(net(images, ctx), labels);
        tape_.backward(loss);
        optimizer.step();
        optimizer.zero_gradients();
        tape_.clear();
      }
    }
  }

  Sequential<float> net = make_network();
  Adam<float> optimizer{net.parameters(), {.learning_rate = 1e-3}};

 private:
  Rng rng_;
  DataLoader<float> loader_;
  Tape<float> tape_;
  std::int64_t epoch_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  CLI::App app(
      "Saves a run in the middle, goes on from the file, and compares with a run never cut");
  std::string folder = ".";
  int epochs = 4;
  std::int64_t examples = 1000;
  app.add_option("--folder", folder, "where the checkpoint goes")->capture_default_str();
  app.add_option("--epochs", epochs)->capture_default_str();
  app.add_option("--examples", examples, "how many digits to draw")->capture_default_str();
  CLI11_PARSE(app, count, arguments);

  try {
    const std::string path = folder + "/middle.lamina";
    const Dataset digits = data::synthetic_digits({.examples = examples, .seed = 3});

    Training through(digits, 1);
    through.run(epochs);

    {
      Training first(digits, 1);
      first.run(epochs / 2);
      save_checkpoint(path, first.net, first.optimizer, first);
      fmt::print("saved after {} of {} epochs: {}, {} bytes\n", epochs / 2, epochs, path,
                 std::filesystem::file_size(path));
    }
    Training resumed(digits, 1);  // a network never called takes its shapes from the file
    load_checkpoint(path, resumed.net, resumed.optimizer, resumed);
    resumed.run(epochs - epochs / 2);

    const bool same = identical(state_of(resumed.net), state_of(through.net)) &&
                      identical(state_of(resumed.optimizer), state_of(through.optimizer));
    fmt::print("resumed run: {}\n", same ? "identical" : "different");

    // A file never loads into something else, and says all that is different.
    Sequential<float> other;
    other.add<Flatten>().add<Dense>({.units = 10});
    try {
      load_checkpoint(path, other);
    } catch (const CheckpointError& error) {
      fmt::print("{}\n", error.what());
    }
    return same ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
