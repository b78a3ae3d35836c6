// One layer in training, its forward and its backward pass timed apart or together.
//
// Forward: the call of the layer on a tape. Backward: from the gradient of the output to those that
// are wanted; the forward pass that it needs is not timed.
#pragma once

#include <functional>
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
  // How the layer is called, where that takes more than an input and a context.
  using Call = std::function<lamina::Variable<float>(const lamina::Variable<float>&,
                                                     const lamina::Context<float>&)>;

  LayerRun(std::shared_ptr<lamina::Module<float>> layer, lamina::Tensor<float> input,
           lamina::Layout layout = lamina::Layout::channels_last, Call call = {});

  static Work forward_work(std::shared_ptr<LayerRun> run);
  static Work backward_work(std::shared_ptr<LayerRun> run, Wanted wanted);
  // Both passes timed together.
  static Work step_work(std::shared_ptr<LayerRun> run, Wanted wanted);

 private:
  void begin();
  void forward();
  void backward(Wanted wanted);

  std::shared_ptr<lamina::Module<float>> layer_;
  Call call_;
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
