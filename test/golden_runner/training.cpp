// training.json: networks trained for a few steps, with every number on the way.
#include <lamina/lamina.hpp>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

constexpr Tolerance kTolerance{.relative = 1e-9};

struct Recorded {
  Sequential<double> net;
  OptimizerFactory optimizer;
};

Recorded mlp_sgd_momentum(ArgumentReader& a) {
  Sequential<double> net;
  net.add<Dense>({.units = 8, .kernel_regularizer = l2(0.01), .name = "dense_1"})
      .add<BatchNormalization>({.momentum = 0.9, .gamma_constraint = max_norm(2.5), .name = "bn"})
      .add<ReLU>()
      .add<Dense>({.units = 3, .kernel_regularizer = l2(0.01), .name = "dense_2"});
  return {std::move(net),
          sgd({.learning_rate = a.get("learning_rate", 0.0), .momentum = a.get("momentum", 0.0)})};
}

Recorded cnn_adam(ArgumentReader& a) {
  Sequential<double> net;
  net.add<Conv2D>({.filters = 4, .kernel = {3, 3}, .name = "conv"})
      .add<BatchNormalization>({.momentum = 0.8, .name = "bn"})
      .add<ReLU>()
      .add<MaxPool2D>({.pool = {2, 2}})
      .add<Flatten>()
      .add<Dense>({.units = 3, .name = "dense"});
  return {std::move(net), adam({.learning_rate = a.get("learning_rate", 0.0),
                                .beta_1 = a.get("beta_1", 0.0),
                                .beta_2 = a.get("beta_2", 0.0),
                                .epsilon = a.get("epsilon", 0.0)})};
}

class Assigner : public Visitor<double> {
 public:
  explicit Assigner(const Json& state) : state_(state) {}

 protected:
  void parameter(const std::string& path, Parameter<double>& member) override {
    member.assign(golden_tensor<double>(state_.at(path)));
  }
  void buffer(const std::string& path, Buffer<double>& member) override {
    member.assign(golden_tensor<double>(state_.at(path)));
  }

 private:
  const Json& state_;
};

class Comparer : public Visitor<double> {
 public:
  Comparer(GoldenCase& test, std::string when, const Json& state)
      : test_(test), when_(std::move(when)), state_(state) {}
  std::size_t seen = 0;

 protected:
  void parameter(const std::string& path, Parameter<double>& member) override {
    compare(path, member.value());
  }
  void buffer(const std::string& path, Buffer<double>& member) override {
    compare(path, member.value());
  }

 private:
  void compare(const std::string& path, const Tensor<double>& value) {
    ++seen;
    test_.compare(path + when_, value, state_.at(path), kTolerance);
  }
  GoldenCase& test_;
  std::string when_;
  const Json& state_;
};

void compare_state(GoldenCase& test, Module<double>& net, const std::string& when,
                   const Json& state) {
  Comparer comparer(test, when, state);
  comparer.walk(net);
  test.check(comparer.seen == state.size(), "the recorded state has other members");
}

void run_step(GoldenCase& test, Sequential<double>& net, Optimizer<double>& optimizer,
              const Json& step, const std::string& when) {
  Tape<double> tape;
  Rng rng(0);
  const auto ctx = Context<double>::for_training(tape, rng);
  const auto logits = net(golden_tensor<double>(step.at("x")), ctx);
  const auto data_loss =
      softmax_cross_entropy(logits, golden_tensor<std::int64_t>(step.at("labels")));
  const auto penalty = net.regularization(ctx);
  const auto loss = data_loss + penalty;
  test.compare("logits" + when, logits.value(), step.at("logits"), kTolerance);
  test.compare("data_loss" + when, data_loss.item(), step.at("data_loss"), kTolerance);
  test.compare("penalty" + when, penalty.item(), step.at("penalty"), kTolerance);
  test.compare("loss" + when, loss.item(), step.at("loss"), kTolerance);
  tape.backward(loss);
  for (const auto& parameter : net.parameters()) {
    test.compare("gradient of " + parameter->path + when, parameter->gradient,
                 step.at("gradients").at(parameter->path), kTolerance);
  }
  optimizer.step();
  optimizer.zero_gradients();
  compare_state(test, net, when, step.at("state"));
}

void run_case(const Json& item, GoldenCase& test) {
  ArgumentReader arguments(item.at("arguments"));
  const std::string name = item.at("name");
  if (name != "mlp_sgd_momentum" && name != "cnn_adam") {
    test.fail("not implemented in the runner: " + name);
  }
  Recorded recorded = name == "cnn_adam" ? cnn_adam(arguments) : mlp_sgd_momentum(arguments);
  arguments.finish();
  Sequential<double>& net = recorded.net;
  Assigner(item.at("initial")).walk(net);
  const auto optimizer = recorded.optimizer.make(net.parameters());
  std::size_t number = 0;
  for (const Json& step : item.at("steps")) {
    run_step(test, net, *optimizer, step, " at step " + std::to_string(number++));
  }
  compare_state(test, net, " at the end", item.at("final"));
  const Json& inference = item.at("inference");
  const auto logits =
      net(golden_tensor<double>(inference.at("x")), Context<double>::for_inference());
  test.compare("inference", logits.value(), inference.at("logits"), kTolerance);
}

}  // namespace

void run_training(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  for (const Json& item : document.at("cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { run_case(item, test); });
  }
}

}  // namespace lamina::test
