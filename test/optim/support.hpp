// Parameters without a network, and visitors that write and read the state of an optimizer.
#pragma once

#include <lamina/nn/optimizer.hpp>
#include <map>
#include <string>
#include <variant>

#include "support/numbers.hpp"

namespace lamina::test {

template <Scalar T>
std::shared_ptr<ParameterData<T>> make_parameter(const std::string& path, const Tensor<T>& value) {
  auto parameter = std::make_shared<ParameterData<T>>();
  parameter->path = path;
  parameter->value = value;
  return parameter;
}

// Reads or writes; a written state must have exactly the names it was read with.
template <Scalar T>
class StateMemory : public StateVisitor<T> {
 public:
  using Value = std::variant<Tensor<T>, std::int64_t, double, std::string, std::vector<double>>;
  std::map<std::string, Value> values;
  bool writing = false;

  void operator()(std::string_view name, Tensor<T>& value) override { exchange(name, value); }
  void operator()(std::string_view name, std::int64_t& value) override { exchange(name, value); }
  void operator()(std::string_view name, double& value) override { exchange(name, value); }
  void operator()(std::string_view name, std::string& value) override { exchange(name, value); }
  void operator()(std::string_view name, std::vector<double>& value) override {
    exchange(name, value);
  }

 private:
  template <class V>
  void exchange(std::string_view name, V& value) {
    if (writing) {
      value = std::get<V>(values.at(std::string(name)));
    } else {
      values[std::string(name)] = value;
    }
  }
};

template <Scalar T, class Visited>
StateMemory<T> remember(Visited& visited) {
  StateMemory<T> memory;
  visited.visit(memory);
  return memory;
}
template <Scalar T, class Visited>
void restore(Visited& visited, StateMemory<T> memory) {
  memory.writing = true;
  visited.visit(memory);
}

}  // namespace lamina::test
