// One layer in training, its forward and its backward pass timed apart.
//
// Forward: the call of the layer on a tape. Backward: from the gradient of the output to those that
// are wanted; the forward pass that it needs is not timed.
#pragma once

#include <lamina/lamina.hpp>
#include <memory>
#include <support/harness.hpp>

namespace bench {

struct Wanted {
  bool input = true;
  bool parameters = true;
};

class LayerRun {
 public:
  LayerRun(std::shared_ptr<lamina::Module<float>> layer, lamina::Tensor<float> input,
           lamina::Layout layout = lamina::Layout::channels_last);

  static Work forward_work(std::shared_ptr<LayerRun> run);
  static Work backward_work(std::shared_ptr<LayerRun> run, Wanted wanted);

 private:
  void begin();
  void forward();
  void backward(Wanted wanted);

  std::shared_ptr<lamina::Module<float>> layer_;
  lamina::Layout layout_;
  lamina::Tensor<float> input_, seed_;
  lamina::Tape<float> tape_;
  lamina::Rng random_{1};
  lamina::ParameterList<float> parameters_;
  lamina::Context<float> context_;
  lamina::Variable<float> x_, y_;
  std::vector<lamina::Variable<float>> sources_, gradients_;
};

}  // namespace bench
