// training.json: networks trained for a few steps, with every number on the way.
#include <lamina/lamina.hpp>
#include <regex>

#include "golden_runner/optimizers.hpp"
#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

constexpr Tolerance kTolerance{.relative = 1e-9};

// One line of `model`, as the recorder words it: a layer with its options, the loss last.
void add_layer(Sequential<double>& net, const std::string& words) {
  const auto matches = [&words](std::smatch& part, const char* pattern) {
    return std::regex_match(words, part, std::regex(pattern));
  };
  std::smatch part;
  if (matches(part, R"((\w+): Dense\((\d+)\)(?:, kernel_regularizer L2\((.+)\))?)")) {
    DenseOptions options{.units = std::stoll(part[2]), .name = part[1]};
    if (part[3].matched) options.kernel_regularizer = l2(std::stod(part[3]));
    net.add<Dense>(options);
  } else if (matches(part, R"((\w+): Conv2D\((\d+), (\d+), (valid|same)\))")) {
    const std::int64_t kernel = std::stoll(part[3]);
    net.add<Conv2D>({.filters = std::stoll(part[2]),
                     .kernel = {kernel, kernel},
                     .padding = part[4] == "same" ? Padding::same : Padding::valid,
                     .name = part[1]});
  } else if (matches(part, R"((\w+): BatchNormalization\(momentum (\S+), epsilon (\S+)\))"
                           R"((?:, gamma_constraint MaxNorm\((\S+), axis 0\))?)"
                           R"((?:, biased batch variance in moving_variance)?)")) {
    BatchNormalizationOptions options{.momentum = std::stod(part[2]),
                                      .epsilon = std::stod(part[3]),
                                      .name = part[1],
                                      .variance_estimator = VarianceEstimator::biased};
    if (part[4].matched) options.gamma_constraint = max_norm(std::stod(part[4]));
    net.add<BatchNormalization>(options);
  } else if (matches(part, R"(\w+: MaxPooling2D\((\d+)\))")) {
    const std::int64_t pool = std::stoll(part[1]);
    net.add<MaxPool2D>({.pool = {pool, pool}});
  } else if (words == "relu") {
    net.add<ReLU>();
  } else if (words == "flatten") {
    net.add<Flatten>();
  } else if (!words.starts_with("loss: mean sparse softmax cross-entropy from logits")) {
    throw CaseFailed("the runner does not know what this is in a model: " + words);
  }
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
  const auto factory = recorded_optimizer(item.at("optimizer"), item.at("framework"), arguments);
  arguments.finish();
  Sequential<double> net;
  for (const Json& words : item.at("model")) add_layer(net, words);
  Assigner(item.at("initial")).walk(net);
  const auto optimizer = factory.make(net.parameters());
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
  for (const Json& item : cases_of(document, "cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { run_case(item, test); });
  }
}

}  // namespace lamina::test
