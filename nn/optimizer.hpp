// Optimizer: changes parameters by their gradients. The interface; the algorithms stand in optim/.
//
//   Adam<float> adam(net.parameters(), {.learning_rate = 1e-3});
//   tape.backward(loss);  adam.step();  adam.zero_gradients();
//
// An optimizer may be made before the network is built: the slots of a parameter (momentum, second
// moments) appear at its first step, named by the parameter's path.
// Thread-safety: one thread at a time.
#pragma once

#include <lamina/nn/parameter.hpp>
#include <lamina/nn/state_visitor.hpp>
#include <memory>
#include <string>
#include <vector>

namespace lamina {

template <Scalar T>
using ParameterList = std::vector<std::shared_ptr<ParameterData<T>>>;

template <Scalar T>
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update of every trainable parameter that has a gradient, then its constraint.
  virtual void step() = 0;
  virtual void zero_gradients() = 0;

  // The type's name: "sgd".
  virtual std::string type() const = 0;
  // Updates done so far.
  virtual std::int64_t iterations() const = 0;
  // The rate that the next step will use; set_ replaces a schedule by a constant.
  virtual double learning_rate() const = 0;
  virtual void set_learning_rate(double rate) = 0;

  // Options by name, then counters, then slots: "<parameter path>.momentum". Slots of every
  // parameter that has a value are made first, so that saving and loading see the same list.
  virtual void visit(StateVisitor<T>& visitor) = 0;
};

}  // namespace lamina
