// The program of bench/minimal.cpp with libtorch.
#include <torch/torch.h>

int main() {
  torch::nn::Sequential net(torch::nn::Linear(4, 8), torch::nn::ReLU(), torch::nn::Linear(8, 2));
  torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(0.1).momentum(0.9));
  const auto x = torch::ones({16, 4});
  const auto labels = torch::ones({16}, torch::kInt64);
  torch::nn::functional::cross_entropy(net->forward(x), labels).backward();
  optimizer.step();
}
