// Small modules for tests.
#pragma once

#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/initializers.hpp>
#include <lamina/nn/module.hpp>
#include <map>
#include <string>
#include <vector>

namespace lamina::test {

// y = x * weight, one weight per element of an example.
template <Scalar T>
class Scale : public Module<T> {
 public:
  Parameter<T> weight;

  explicit Scale(std::string name = {}) : name_(std::move(name)) {}
  void visit(Visitor<T>& v) override { v("weight", weight); }
  void build(const Shape& input, Builder<T>& builder) override {
    builder("weight", weight, input.without(0), uniform(0.5, 1.5));
  }
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override {
    return multiply(x, weight(ctx));
  }
  std::string type() const override { return "scale"; }
  std::string name() const override { return name_; }

 private:
  std::string name_;
};

// y = x, and counts in a buffer how often it was trained.
template <Scalar T>
class Meter : public Module<T> {
 public:
  Buffer<T> sum;

  void visit(Visitor<T>& v) override { v("sum", sum); }
  void build(const Shape&, Builder<T>& builder) override { builder("sum", sum, {}, zeros()); }
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override {
    if (ctx.training) {
      ctx.update(sum, Tensor<T>::scalar(sum.value().item() + 1));
    }
    return x;
  }
};

// Every parameter and buffer of a tree by its path.
template <Scalar T>
std::map<std::string, Tensor<T>> values_of(const Module<T>& module) {
  struct Collector : Visitor<T> {
    std::map<std::string, Tensor<T>> state;
    void parameter(const std::string& path, Parameter<T>& p) override { state[path] = p.value(); }
    void buffer(const std::string& path, Buffer<T>& b) override { state[path] = b.value(); }
  } collector;
  collector.walk(module);
  return collector.state;
}

template <Scalar T>
bool same_values(const Module<T>& a, const Module<T>& b) {
  const auto left = values_of(a), right = values_of(b);
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && identical(x.second, y.second);
                    });
}

}  // namespace lamina::test
