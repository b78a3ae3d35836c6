// SGD with momentum by libtorch's fused update, which torch::optim::SGD of the C++ interface does
// not take: v = momentum v + gradient, w = w - rate v for a whole parameter in one pass over
// memory. The velocities begin as 0, so that the first one is the first gradient, as it is there.
#pragma once

#include <torch/torch.h>

namespace peer {

class FusedSgd {
 public:
  FusedSgd(std::vector<torch::Tensor> parameters, double momentum);

  // Every parameter must have a gradient.
  void step(double learning_rate);
  void zero_gradients();

 private:
  std::vector<torch::Tensor> parameters_, velocities_;
  double momentum_;
};

}  // namespace peer
