// Regularizer: a penalty on a parameter, added to the loss by Module::regularization. Value type;
// default-constructed it is none.
#pragma once

#include <lamina/autograd/variable.hpp>
#include <lamina/nn/initializer.hpp>

namespace lamina {

class RegularizerFunction {
 public:
  virtual ~RegularizerFunction() = default;
  virtual Variable<float> penalty(const Variable<float>& weights) const = 0;  // a scalar
  virtual Variable<double> penalty(const Variable<double>& weights) const = 0;
  virtual Description describe() const { return {}; }
};

class Regularizer {
 public:
  Regularizer() = default;
  explicit Regularizer(std::shared_ptr<const RegularizerFunction> function)
      : function_(std::move(function)) {}

  explicit operator bool() const noexcept { return function_ != nullptr; }
  Description describe() const { return function_ ? function_->describe() : Description{}; }

  template <Scalar T>
  Variable<T> operator()(const Variable<T>& weights) const {
    return function_->penalty(weights);
  }

  static Regularizer from(const Description& description);

 private:
  std::shared_ptr<const RegularizerFunction> function_;
};

}  // namespace lamina
