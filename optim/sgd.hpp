// SGD: stochastic gradient descent with momentum.
//
//   Keras:    v = momentum v - rate g                   p += v     Nesterov: p += momentum v - rate
//   g PyTorch:  v = momentum v + (1 - dampening) g        p -= rate v   Nesterov: p -= rate (g +
//   momentum v)
//             (the first g of a parameter is not damped; weight decay is added to g)
//
// Slot: "momentum" (v), where momentum is not constantly 0.
// Source: Keras 3 SGD, torch.optim.SGD. Errors and thread-safety: multi_tensor_optimizer.hpp.
#pragma once

#include <lamina/optim/factory.hpp>
#include <lamina/optim/multi_tensor_optimizer.hpp>

namespace lamina {

struct SGDOptions {
  Schedule learning_rate = 0.01;
  Schedule momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0;
  std::optional<double> clipnorm = {};
  std::optional<double> clipvalue = {};
  std::optional<double> global_clipnorm = {};
  std::int64_t gradient_accumulation_steps = 1;
  double dampening = 0;  // PyTorch's formula only
  std::vector<std::string> exclude_from_weight_decay = {};
  std::vector<ParameterGroup> groups = {};
  OptimizerFormula formula = OptimizerFormula::keras;
};

template <Scalar T>
class SGD final : public MultiTensorOptimizer<T> {
 public:
  using Options = SGDOptions;

  explicit SGD(const ParameterList<T>& parameters, SGDOptions options = {});

  std::string type() const override { return "sgd"; }

 protected:
  void begin_update() override;
  void update(const UpdateTile<T>& tile) const override;

 private:
  Schedule momentum_schedule_;
  double momentum_ = 0;  // of the update that runs
  double dampening_;
  bool nesterov_;
};

OptimizerFactory sgd(const SGDOptions& options = {});

extern template class SGD<float>;
extern template class SGD<double>;

}  // namespace lamina
