// Adam and AdamW: adaptive moments.
//
//   m += (g - m) (1 - beta_1)      v += (g^2 - v) (1 - beta_2)      amsgrad: w = max(w, v), used
//   below for v Keras:    p -= rate sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)
//   PyTorch:  p -= rate / (1 - beta_1^t) * m / (sqrt(v) / sqrt(1 - beta_2^t) + epsilon)
//
// t is the number of the update, from 1. AdamW is Adam with a weight decay that is taken from the
// parameter (times the rate) under either formula; Adam adds it to the gradient under PyTorch's.
// Slots: "momentum" (m), "velocity" (v), with amsgrad "velocity_hat" (w).
// Source: Kingma and Ba 2015, Loshchilov and Hutter 2019; Keras 3 Adam, torch.optim.Adam. Errors
// and thread-safety: multi_tensor_optimizer.hpp.
#pragma once

#include <lamina/optim/factory.hpp>
#include <lamina/optim/multi_tensor_optimizer.hpp>

namespace lamina {

struct AdamOptions {
  Schedule learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  double weight_decay = 0;
  std::optional<double> clipnorm = {};
  std::optional<double> clipvalue = {};
  std::optional<double> global_clipnorm = {};
  std::int64_t gradient_accumulation_steps = 1;
  std::vector<std::string> exclude_from_weight_decay = {};
  std::vector<ParameterGroup> groups = {};
  OptimizerFormula formula = OptimizerFormula::keras;
};

struct AdamWOptions {
  Schedule learning_rate = 0.001;
  double weight_decay = 0.004;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  std::optional<double> clipnorm = {};
  std::optional<double> clipvalue = {};
  std::optional<double> global_clipnorm = {};
  std::int64_t gradient_accumulation_steps = 1;
  std::vector<std::string> exclude_from_weight_decay = {};
  std::vector<ParameterGroup> groups = {};
  OptimizerFormula formula = OptimizerFormula::keras;
};

template <Scalar T>
class Adam : public MultiTensorOptimizer<T> {
 public:
  using Options = AdamOptions;

  explicit Adam(const ParameterList<T>& parameters, AdamOptions options = {});

  std::string type() const override { return this->name(); }

 protected:
  Adam(std::string name, const ParameterList<T>& parameters, const AdamOptions& options,
       const UpdateOptions& update_options);

  void update(const UpdateTile<T>& tile) const override;

 private:
  double beta_1_, beta_2_, epsilon_;
};

template <Scalar T>
class AdamW final : public Adam<T> {
 public:
  using Options = AdamWOptions;

  explicit AdamW(const ParameterList<T>& parameters, AdamWOptions options = {});
};

OptimizerFactory adam(const AdamOptions& options = {});
OptimizerFactory adamw(const AdamWOptions& options = {});

extern template class Adam<float>;
extern template class Adam<double>;
extern template class AdamW<float>;
extern template class AdamW<double>;

}  // namespace lamina
