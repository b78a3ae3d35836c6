// Initializer: how the first value of a parameter is drawn. A cheap value type; two are alike when
// name and numbers are. The stock ones are made by the factories below; a user's own derives from
// InitializerFunction (and is refused by save_model, because a file cannot carry code).
#pragma once

#include <lamina/autograd/tensor/random.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace lamina {

// A name and named numbers: enough to write a stock initializer, regularizer or constraint into a
// file and to make it again.
struct Description {
  std::string name;  // empty: a user's own, which cannot be written
  std::vector<std::pair<std::string, double>> numbers;
};

class InitializerFunction {
 public:
  virtual ~InitializerFunction() = default;
  virtual Tensor<float> make(const Shape& shape, const RandomStream& random, float) const = 0;
  virtual Tensor<double> make(const Shape& shape, const RandomStream& random, double) const = 0;
  virtual Description describe() const { return {}; }
};

class Initializer {
 public:
  Initializer() = default;  // none given: the layer's default
  explicit Initializer(std::shared_ptr<const InitializerFunction> function)
      : function_(std::move(function)) {}

  explicit operator bool() const noexcept { return function_ != nullptr; }
  Description describe() const { return function_ ? function_->describe() : Description{}; }

  template <Scalar T>
  Tensor<T> operator()(const Shape& shape, const RandomStream& random) const {
    return function_->make(shape, random, T{});
  }

  // The stock initializer of that description, none for an empty one; ArgumentError for an unknown
  // name or number.
  static Initializer from(const Description& description);

 private:
  std::shared_ptr<const InitializerFunction> function_;
};

}  // namespace lamina
