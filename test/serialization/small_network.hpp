// A network of every kind of state that a file must carry, in few bytes: parameters, a buffer, a
// counter, modules inside modules; an optimizer's update and a training state to go with it.
#pragma once

#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/linear_algebra.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/initializers.hpp>
#include <lamina/nn/sequential.hpp>
#include <lamina/optim/adam.hpp>
#include <lamina/serialization/training_state.hpp>
#include <string>

namespace lamina::test {

struct LinearOptions {
  Required<std::int64_t> units;
  bool use_bias = true;
  double factor = 1;
  Initializer kernel_initializer = {};
  Regularizer kernel_regularizer = {};
  Constraint kernel_constraint = {};
  std::vector<std::int64_t> integers = {};
  Extents2 extents = {1, 2};
  std::optional<bool> maybe = {};
  std::optional<double> limit = {};
  std::optional<std::int64_t> count = {};
  std::string note = {};
  bool closure = false;
  std::string name = {};

  void visit(OptionVisitor& v) {
    v("units", units.value);
    v("use_bias", use_bias);
    v("factor", factor);
    v("kernel_initializer", kernel_initializer);
    v("kernel_regularizer", kernel_regularizer);
    v("kernel_constraint", kernel_constraint);
    v("integers", integers);
    v("extents", extents);
    v("maybe", maybe);
    v("limit", limit);
    v("count", count);
    v("note", note);
    v.closure("hook", closure);
  }
  static LinearOptions blank() { return {.units = 1}; }
};

// y = factor x W + b
template <Scalar T>
class Linear : public Module<T> {
 public:
  using Options = LinearOptions;
  Linear(LinearOptions options) : options_(std::move(options)) {  // NOLINT: implicit by intent
    if (options_.units < 1) {
      throw ArgumentError("linear",
                          "units must be positive; got " + std::to_string(options_.units.value));
    }
  }
  void visit(Visitor<T>& v) override {
    v("kernel", kernel);
    if (options_.use_bias) v("bias", bias);
  }
  void build(const Shape& input, Builder<T>& builder) override {
    const Initializer drawn = options_.kernel_initializer ? options_.kernel_initializer : normal();
    builder("kernel", kernel, {input[-1], options_.units}, drawn);
    if (options_.use_bias) builder("bias", bias, {options_.units}, zeros());
  }
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override {
    const Variable<T> scaled = multiply(x, factor());
    const Variable<T> y = matmul(scaled, kernel(ctx));
    return options_.use_bias ? add(y, bias(ctx)) : y;
  }
  std::string type() const override { return "linear"; }
  std::string name() const override { return options_.name; }
  void visit_options(OptionVisitor& visitor) override { options_.visit(visitor); }
  const LinearOptions& options() const { return options_; }

  Parameter<T> kernel, bias;

 private:
  T factor() const { return static_cast<T>(options_.factor); }
  LinearOptions options_;
};

// y = x - moving mean of x; counts its updates.
template <Scalar T>
class Centering : public Module<T> {
 public:
  void visit(Visitor<T>& v) override {
    v("moving_mean", moving_mean);
    v("updates", updates);
  }
  void build(const Shape& input, Builder<T>& builder) override {
    builder("moving_mean", moving_mean, {input[-1]}, zeros());
  }
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override {
    if (ctx.training) ctx.update(moving_mean, mean(x.detached(), {0}).value(), 0.1);
    return subtract(x, Variable<T>(moving_mean.value()));
  }
  Buffer<T> moving_mean;
  Counter updates;
};

// x + inner(x): a module of modules.
template <Scalar T>
class Residual : public Module<T> {
 public:
  Linear<T> inner{{.units = 3}};
  Centering<T> centering;
  void visit(Visitor<T>& v) override {
    v("inner", inner);
    v("centering", centering);
  }
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override {
    return add(x, centering(inner(x, ctx), ctx));
  }
};

// 5 -> 3 -> 3 -> 2
template <Scalar T>
Sequential<T> small_network(std::int64_t outputs = 2) {
  Sequential<T> net;
  net.add(Linear<T>({.units = 3})).add(Residual<T>()).add(Linear<T>({.units = outputs}));
  return net;
}

template <Scalar T>
Tensor<T> small_input(std::int64_t step = 0) {
  Tensor<T> x = Tensor<T>::uninitialized({7, 5});
  Rng(1).stream("input", step).fill_normal<T>(x.mutable_values(), 0, 1);
  return x;
}

template <Scalar T>
struct Progress : TrainingState<T> {
  std::int64_t epoch = 0;
  double running_loss = 0;
  std::string best = "none";
  std::vector<double> history;
  Tensor<T> average;  // undefined until the first step
  Rng rng{42};

  void visit(StateVisitor<T>& v) override {
    v("epoch", epoch);
    if (epoch < 0)
      throw ArgumentError("progress", "epoch must not be negative; got " + std::to_string(epoch));
    v("running_loss", running_loss);
    v("best", best);
    v("history", history);
    v("average", average);
    std::int64_t step = rng.step();
    v("rng_step", step);
    rng.set_step(step);
  }
};

// A network, its optimizer and its progress; train() makes a few steps.
template <Scalar T>
struct Run {
  Sequential<T> net = small_network<T>();
  Adam<T> optimizer{net.parameters(), {.learning_rate = 0.01}};
  Progress<T> progress;

  void train(int steps) {
    Tape<T> tape;
    for (int i = 0; i < steps; ++i) {
      auto ctx = Context<T>::for_training(tape, progress.rng);
      const Variable<T> y = net(small_input<T>(ctx.step), ctx);
      const Variable<T> loss = mean(multiply(y, y));
      progress.running_loss += loss.item();
      progress.history.push_back(loss.item());
      tape.backward(loss);
      optimizer.step();
      optimizer.zero_gradients();
      tape.clear();
    }
    progress.epoch += 1;
    progress.best = "after " + std::to_string(progress.epoch);
    progress.average = Tensor<T>({2}, {1, static_cast<T>(progress.epoch)});
  }
};

}  // namespace lamina::test
