// A small network of convolution, batch normalization and dense, for interchange_packages_test.py:
//
//   interchange_program train  pytorch|keras WEIGHTS.safetensors IO.npz   trains, writes, and answers
//   interchange_program answer pytorch|keras WEIGHTS.safetensors IO.npz   prints the largest distance
//                                                     between its answer to x and y
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <lamina/lamina.hpp>
#include <string>

using namespace lamina;

namespace {

constexpr std::int64_t kRows = 5, kColumns = 4, kChannels = 2, kUnits = 4;

// For PyTorch channels first, so that one batch serves both; the other order is in the goldens.
Sequential<float> network(bool pytorch) {
  const Layout layout = pytorch ? Layout::channels_first : Layout::channels_last;
  BatchNormalizationOptions normalization;
  if (pytorch) normalization = BatchNormalizationOptions::from_pytorch();
  Sequential<float> net;
  net.add<Conv2D>({.filters = 3, .kernel = {3, 2}, .layout = layout})
      .add<BatchNormalization>(normalization)
      .add<ReLU>()
      .add<Flatten>()
      .add<Dense>({.units = kUnits});
  return net;
}

Tensor<float> batch(bool pytorch, std::int64_t images, std::int64_t step) {
  const Shape shape = pytorch ? Shape{images, kChannels, kRows, kColumns}
                              : Shape{images, kRows, kColumns, kChannels};
  Tensor<float> x = Tensor<float>::uninitialized(shape);
  Rng(3).stream("x", step).fill_normal<float>(x.mutable_values(), 1, 2);
  return x;
}

void train(Sequential<float>& net, bool pytorch) {
  constexpr std::int64_t kImages = 16;
  Tensor<std::int64_t> labels({kImages}, std::int64_t{0});
  for (std::int64_t i = 0; i < kImages; ++i) labels.set({i}, i % kUnits);
  Rng rng(1);
  Tape<float> tape;
  net(batch(pytorch, kImages, 0), Context<float>::for_training(tape, rng));
  tape.clear();
  Adam<float> adam(net.parameters(), {.learning_rate = 0.05});
  for (std::int64_t step = 1; step <= 7; ++step) {
    auto ctx = Context<float>::for_training(tape, rng);
    tape.backward(softmax_cross_entropy(net(batch(pytorch, kImages, step), ctx), labels));
    adam.step();
    adam.zero_gradients();
    tape.clear();
  }
}

Tensor<float> answer(const Sequential<float>& net, const Tensor<float>& x) {
  return net(Variable<float>(x), Context<float>::for_inference()).value();
}

int run(const std::string& what, bool pytorch, const std::string& weights, const std::string& io) {
  Sequential<float> net = network(pytorch);
  if (what == "train") {
    train(net, pytorch);
    save_safetensors(weights, pytorch ? to_pytorch(net) : to_keras(net));
    StateDict pair;
    const Tensor<float> x = batch(pytorch, 3, 8);
    pair.add("x", x);
    pair.add("y", answer(net, x));
    save_npz(io, pair);
    return 0;
  }
  const StateDict state = load_safetensors(weights);
  pytorch ? load_from_pytorch(net, state) : load_from_keras(net, state);
  const StateDict pair = load_npz(io);
  const Tensor<float> y = answer(net, std::get<Tensor<float>>(*pair.find("x")));
  const auto& expected = std::get<Tensor<float>>(*pair.find("y"));
  float largest = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    largest = std::max(largest, std::abs(y.data()[i] - expected.data()[i]));
  }
  std::printf("%.9g\n", static_cast<double>(largest));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  return run(arguments[1], std::string(arguments[2]) == "pytorch", arguments[3], arguments[4]);
}
