// RMSprop: gradients divided by a moving root of their mean square.
//
//   v = rho v + (1 - rho) g^2        centered: a = rho a + (1 - rho) g, and v - a^2 in place of v
//   below Keras:    d = rate g / sqrt(v + epsilon)       p -= d    with momentum: m = momentum m +
//   d, p -= m PyTorch:  d = g / (sqrt(v) + epsilon)     p -= rate d    with momentum: m = momentum
//   m + d, p -= rate m
//
// Slots: "velocity" (v), with momentum "momentum" (m), centered "average_gradient" (a).
// Source: Keras 3 RMSprop, torch.optim.RMSprop. Errors and thread-safety:
// multi_tensor_optimizer.hpp.
#pragma once

#include <lamina/optim/factory.hpp>
#include <lamina/optim/multi_tensor_optimizer.hpp>

namespace lamina {

struct RMSpropOptions {
  Schedule learning_rate = 0.001;
  double rho = 0.9;
  double momentum = 0;
  double epsilon = 1e-7;
  bool centered = false;
  double weight_decay = 0;
  std::optional<double> clipnorm = {};
  std::optional<double> clipvalue = {};
  std::optional<double> global_clipnorm = {};
  std::int64_t gradient_accumulation_steps = 1;
  std::vector<std::string> exclude_from_weight_decay = {};
  std::vector<ParameterGroup> groups = {};
  OptimizerFormula formula = OptimizerFormula::keras;
};

template <Scalar T>
class RMSprop final : public MultiTensorOptimizer<T> {
 public:
  using Options = RMSpropOptions;

  explicit RMSprop(const ParameterList<T>& parameters, RMSpropOptions options = {});

  std::string type() const override { return "rmsprop"; }

 protected:
  void update(const UpdateTile<T>& tile) const override;

 private:
  double rho_, momentum_, epsilon_;
  bool centered_;
};

OptimizerFactory rmsprop(const RMSpropOptions& options = {});

extern template class RMSprop<float>;
extern template class RMSprop<double>;

}  // namespace lamina
