// Runs the C++ of README.md, which documentation_examples.py makes into functions: the ten lines
// that train, the loop in the open, and the weights that go to PyTorch and Keras and come back.
#include "readme_examples.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <lamina/lamina.hpp>
#include <string>

namespace {

using namespace lamina;

int passed = 0, failed = 0;

void check(bool holds, const char* what) {
  ++(holds ? passed : failed);
  if (!holds) std::printf("README.md: %s\n", what);
}

double accuracy_of(const Module<float>& net) {
  auto metric = accuracy();
  for (auto [x, y] : DataLoader<float>(data::synthetic_digits({.examples = 500, .seed = 9}))) {
    metric->update(net(x, Context<float>::for_inference()).value(), y);
  }
  return metric->value();
}

void ten_lines() {
  readme::ten_lines();
  check(accuracy_of(*load_model<float>("digits.lamina", standard_registry<float>())) > 0.9,
        "what the ten lines saved knows the digits");
}

void loop_in_the_open() {
  Sequential<float> net;
  net.add<Flatten>().add<Dense>({.units = 64}).add<ReLU>().add<Dense>({.units = 10});
  DataLoader<float> loader(data::synthetic_digits({.examples = 2000}), {.shuffle = true});
  readme::train(net, loader);
  check(accuracy_of(net) > 0.5, "one pass of the loop in the open teaches something");
}

// The dense layer meets what was flattened from 64 channels.
Sequential<float> convolutional() {
  Sequential<float> net;
  net.add<Conv2D>({.filters = 64, .kernel = {3, 3}})
      .add<BatchNormalization>({.epsilon = 1e-5})
      .add<ReLU>()
      .add<Flatten>()
      .add<Dense>({.units = 10});
  return net;
}

Tensor<float> images() {
  auto x = Tensor<float>::uninitialized({5, 7, 6, 3});
  Rng(1).stream("images", 0).fill_normal<float>(x.mutable_values(), 1, 2);
  return x;
}

Tensor<float> answer(const Module<float>& net) {
  return net(Variable<float>(images()), Context<float>::for_inference()).value();
}

void weights_to_and_from_others() {
  Sequential<float> first = convolutional(), second = convolutional(), third = convolutional();
  Tape<float> tape;
  Rng rng(3);
  first(images(), Context<float>::for_training(tape, rng));  // built, its statistics moved
  save_safetensors("model.safetensors", to_pytorch(first, {.flattened_channels = {{"dense", 64}}}));
  readme::exchange(second);
  check(identical(answer(second), answer(first)), "the weights come from PyTorch's file");
  load_from_keras(third, load_npz("model.npz"), {.epsilon = 1e-5});
  check(identical(answer(third), answer(first)), "the weights come from Keras' file");
}

}  // namespace

int main() {
  std::string folder = (std::filesystem::temp_directory_path() / "lamina_readme_XXXXXX").string();
  if (!mkdtemp(folder.data())) return 1;
  std::filesystem::current_path(folder);
  try {
    ten_lines();
    loop_in_the_open();
    weights_to_and_from_others();
  } catch (const std::exception& error) {
    check(false, error.what());
  }
  std::filesystem::current_path("/");
  std::filesystem::remove_all(folder);
  std::printf("\n%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
