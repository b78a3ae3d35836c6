// What a short training does to a network, number by number.
//
//   same_trace(training_trace(net, {6, 5}), training_trace(other, {6, 5}));
//
// Three steps of gradient descent, each over two batches whose forward passes both come before the
// backward pass. Recorded are outputs, gradients of inputs and parameters, and at the end all
// state.
#pragma once

#include <boost/test/unit_test.hpp>
#include <functional>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/nn/sequential.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/numbers.hpp"

namespace lamina::test {

template <Scalar T>
using Trace = std::vector<std::pair<std::string, Tensor<T>>>;

// What a context is given besides.
template <Scalar T>
using ContextChange = std::function<void(Context<T>&)>;

template <Scalar T>
class StateTracer : public Visitor<T> {
 public:
  explicit StateTracer(Trace<T>& trace) : trace_(trace) {}

 protected:
  void parameter(const std::string& path, Parameter<T>& p) override {
    trace_.emplace_back(path, p.value());
  }
  void buffer(const std::string& path, Buffer<T>& b) override {
    trace_.emplace_back(path, b.value());
  }
  void counter(const std::string& path, Counter& c) override {
    trace_.emplace_back(path, Tensor<T>::scalar(static_cast<T>(c.value())));
  }

 private:
  Trace<T>& trace_;
};

template <Scalar T>
Trace<T> training_trace(
    Sequential<T> net, const Shape& input, const ContextChange<T>& change = [](Context<T>&) {}) {
  Trace<T> trace;
  Rng rng(7);
  Tape<T> tape;
  for (std::uint64_t step = 0; step < 3; ++step) {
    std::vector<std::shared_ptr<Leaf<T>>> inputs;
    Variable<T> loss(Tensor<T>::scalar(0));
    for (std::uint64_t batch = 0; batch < 2; ++batch) {
      auto ctx = Context<T>::for_training(tape, rng);
      change(ctx);
      inputs.push_back(std::make_shared<Leaf<T>>());
      inputs.back()->value = random_tensor<T>(input, 2 * step + batch, -1, 2);
      const Variable<T> y = net(tape.watch(inputs.back()), ctx);
      trace.emplace_back("output of batch " + std::to_string(batch), y.value());
      loss = loss + sum(y * Variable<T>(random_tensor<T>(y.shape(), 9))) + net.regularization(ctx);
    }
    tape.backward(loss);
    tape.clear();
    for (const auto& x : inputs) trace.emplace_back("gradient of x", x->gradient);
    for (const auto& parameter : net.parameters()) {
      trace.emplace_back("gradient of " + parameter->path, parameter->gradient);
      if (!parameter->gradient.defined()) continue;
      parameter->value = moved_toward(
          parameter->value, subtract<T>(parameter->value, parameter->gradient).value(), 0.1);
      parameter->gradient = Tensor<T>();
    }
  }
  StateTracer<T>(trace).walk(net);
  return trace;
}

template <Scalar T>
void same_trace(const Trace<T>& a, const Trace<T>& b) {
  BOOST_TEST_REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    BOOST_TEST(a[i].first == b[i].first);
    const bool same =
        (!a[i].second.defined() && !b[i].second.defined()) || identical(a[i].second, b[i].second);
    BOOST_TEST(same, "other bits: entry " << i << ", " << a[i].first);
  }
}

}  // namespace lamina::test
