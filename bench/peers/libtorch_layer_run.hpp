// One layer of libtorch in training, its passes timed apart or together, as support/layer_run.hpp
// does it for lamina; and checksums of libtorch's results in the order in which every program takes
// them.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <support/harness.hpp>

namespace peer {

// Of images in the order (N, H, W, C), of matrices as they are.
bench::Check checksum(const std::string& name, const torch::Tensor& values);
// Of kernels as (rows, columns, in, out) or (in, out).
bench::Check kernel_checksum(const std::string& name, const torch::Tensor& values);

class LayerRun {
 public:
  // Gives the layer's kernels the values of the streams from bench::kKernels on.
  LayerRun(torch::nn::AnyModule layer, torch::Tensor input);

  void begin();
  void forward() { y_ = layer_.forward(x_); }
  void backward(bool of_input, bool of_parameters);

  std::vector<bench::Check> output_checks() const { return {checksum("y", y_)}; }
  std::vector<bench::Check> gradient_checks(bool of_input) const;

 private:
  torch::nn::AnyModule layer_;
  torch::Tensor input_, x_, y_, seed_;
  std::vector<torch::Tensor> parameters_, gradients_;
};

using MakeLayer = std::function<std::shared_ptr<LayerRun>()>;

void add_forward(const std::string& name, MakeLayer make);
void add_backward(const std::string& name, MakeLayer make, bool of_input, bool of_parameters);
// Forward and backward together, all gradients.
void add_step(const std::string& name, MakeLayer make);

}  // namespace peer
