#include <libtorch_sgd.hpp>

namespace peer {

using torch::Tensor;

FusedSgd::FusedSgd(std::vector<Tensor> parameters, double momentum)
    : parameters_(std::move(parameters)), momentum_(momentum) {
  for (const Tensor& parameter : parameters_) velocities_.push_back(at::zeros_like(parameter));
}

void FusedSgd::step(double learning_rate) {
  torch::NoGradGuard off;
  std::vector<Tensor> gradients;
  for (const Tensor& parameter : parameters_) gradients.push_back(parameter.grad());
  at::_fused_sgd_(parameters_, gradients, velocities_, /*weight_decay=*/0, momentum_, learning_rate,
                  /*dampening=*/0, /*nesterov=*/false, /*maximize=*/false,
                  /*is_first_step=*/false);
}

void FusedSgd::zero_gradients() {
  for (Tensor& parameter : parameters_) parameter.mutable_grad().reset();
}

}  // namespace peer
