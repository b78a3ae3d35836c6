// Constraint: a projection of a parameter, applied by the optimizer right after its update (not at
// initialization, not on loading). Value type; default-constructed it is none.
#pragma once

#include <lamina/nn/initializer.hpp>

namespace lamina {

class ConstraintFunction {
 public:
  virtual ~ConstraintFunction() = default;
  virtual Tensor<float> project(const Tensor<float>& weights) const = 0;
  virtual Tensor<double> project(const Tensor<double>& weights) const = 0;
  virtual Description describe() const { return {}; }
};

class Constraint {
 public:
  Constraint() = default;
  explicit Constraint(std::shared_ptr<const ConstraintFunction> function)
      : function_(std::move(function)) {}

  explicit operator bool() const noexcept { return function_ != nullptr; }
  Description describe() const { return function_ ? function_->describe() : Description{}; }

  template <Scalar T>
  Tensor<T> operator()(const Tensor<T>& weights) const {
    return function_->project(weights);
  }

  static Constraint from(const Description& description);

 private:
  std::shared_ptr<const ConstraintFunction> function_;
};

}  // namespace lamina
