// A program that trains: what compiling it, starting it and its first step cost.
#include <lamina/lamina.hpp>

using namespace lamina;

int main() {
  Sequential<float> net;
  net.add<Dense>({.units = 8}).add<ReLU>().add<Dense>({.units = 2});
  Tape<float> tape;
  Rng rng(42);
  const Tensor<float> x({16, 4}, 1.0f);
  const Tensor<std::int64_t> labels({16}, 1);
  const auto loss = softmax_cross_entropy(net(x, Context<float>::for_training(tape, rng)), labels);
  SGD<float> optimizer(net.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
  tape.backward(loss);
  optimizer.step();
}
