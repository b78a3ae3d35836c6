// The table of ops that run_ops compares: name in the file -> what lamina computes.
#pragma once

#include <functional>
#include <lamina/autograd/variable.hpp>
#include <map>
#include <string>

#include "support/golden.hpp"

namespace lamina::test {

// One recorded call. Inputs are found by their recorded names.
class OpCall {
 public:
  OpCall(const Json& inputs, const std::map<std::string, Variable<double>>& variables,
         ArgumentReader& arguments)
      : inputs_(inputs), variables_(variables), arguments_(arguments) {}

  const Variable<double>& operator[](const std::string& name) const { return variables_.at(name); }
  bool has(const std::string& name) const { return variables_.count(name) == 1; }

  // An input without derivative: indices, conditions.
  template <Element T>
  Tensor<T> constant(const std::string& name) const {
    return golden_tensor<T>(inputs_.at(name));
  }

  ArgumentReader& arguments() const { return arguments_; }

 private:
  const Json& inputs_;
  const std::map<std::string, Variable<double>>& variables_;
  ArgumentReader& arguments_;
};

using GoldenOps = std::map<std::string, std::function<Variable<double>(const OpCall&)>>;

GoldenOps arithmetic_ops();  // one element at a time, and reductions
GoldenOps movement_ops();    // products, and what moves elements

}  // namespace lamina::test
