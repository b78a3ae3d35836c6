#include "golden_runner/scope_program.hpp"

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/layers/batch_normalization_function.hpp>

#include "golden_runner/batch_normalization_layer.hpp"

namespace lamina::test {
namespace {

Reuse reuse_from(const Json& json) {
  if (json.is_null() || json == false) return Reuse::no;
  return json == true ? Reuse::yes : Reuse::automatic;
}

class Program {
 public:
  explicit Program(GoldenCase& test) : test_(test) {}

  void run(const Json& nodes, const Scope& scope) {
    for (const Json& node : nodes) {
      if (node.contains("scope")) {
        run(node.at("body"), scope.scope(node.at("scope"), reuse_from(node.at("reuse"))));
      } else if (node.at("dtype") == "float32") {
        call<float>(node, scope, updates_);
      } else {
        call<double>(node, scope, double_updates_);
      }
    }
  }

 private:
  template <Scalar T>
  void call(const Json& node, const Scope& scope, CollectedUpdates<T>& updates) {
    const auto before = scope.variables();
    const std::string label = "call " + std::to_string(++calls_);
    ArgumentReader arguments(node.at("arguments"));
    BatchNormalizationOptions options = options_from(arguments);
    arguments.finish();
    if (!node.at("name").is_null()) options.name = node.at("name").get<std::string>();
    const Shape shape(
        std::span<const std::int64_t>(node.at("shape").get<std::vector<std::int64_t>>()));
    bool accepted = true;
    std::string message;
    Tape<T> tape;
    Rng rng(1);
    try {
      const Context<T> ctx{.tape = &tape,
                           .training = node.at("training").get<bool>(),
                           .updates = StateUpdates::collect,
                           .rng = &rng,
                           .collected = &updates};
      batch_normalization(scope, Variable<T>(Tensor<T>(shape, T{2})), ctx, options,
                          reuse_from(node.at("reuse")));
    } catch (const Error& error) {
      accepted = false;
      message = error.what();
    }
    // The seed gives the parameters of ghost batches one more dimension; lamina's keep their shape,
    // so that they can be shared with a plain layer.
    const bool expected = node.at("result") == "ok" || options.virtual_batch_size.has_value();
    test_.check(accepted == expected, label + ": " + message);
    expected_operations_ += node.at("result") != "ok" && expected ? 2 : 0;

    const auto after = scope.variables();
    const std::vector<std::string> made(after.begin() + static_cast<std::ptrdiff_t>(before.size()),
                                        after.end());
    const auto recorded = node.value("creates", std::vector<std::string>());
    test_.check(made == recorded, label + ": other variables were made");
    for (const auto& used : node.value("uses", std::vector<std::string>())) {
      test_.check(std::find(after.begin(), after.end(), used) != after.end(),
                  label + ": " + used + " is missing");
    }
    // The seed counts one operation for the mean and one for the variance, renorm's being part of
    // them.
    std::int64_t operations = 0;
    for (const auto& path : updates_.paths()) {
      operations += path.ends_with("/moving_mean") || path.ends_with("/moving_variance");
    }
    test_.check(operations - expected_operations_ ==
                    node.value("update_operations_so_far", std::int64_t{0}),
                label + ": " + std::to_string(operations) + " update operations");
  }

  GoldenCase& test_;
  CollectedUpdates<float> updates_;
  CollectedUpdates<double> double_updates_;
  std::int64_t expected_operations_ = 0;  // of calls that only lamina accepts
  int calls_ = 0;
};

}  // namespace

void run_scope_program(GoldenCase& test, const Json& item) {
  Scope root;
  Program(test).run(item.at("program"), root);
  std::vector<std::string> names = root.variables(), recorded;
  const Json& variables = item.at("variables");
  for (const auto& [key, value] : variables.items()) {
    recorded.push_back(variables.is_array() ? value.get<std::string>() : key);
  }
  std::sort(names.begin(), names.end());
  std::sort(recorded.begin(), recorded.end());
  test.check(names == recorded, "the variables at the end differ");
  std::vector<std::string> trainable;
  for (const auto& parameter : root.parameters<float>()) {
    if (parameter->trainable) trainable.push_back(parameter->path);
  }
  for (const auto& parameter : root.parameters<double>()) {
    if (parameter->trainable) trainable.push_back(parameter->path);
  }
  auto expected = item.at("trainable").get<std::vector<std::string>>();
  std::sort(trainable.begin(), trainable.end());
  std::sort(expected.begin(), expected.end());
  test.check(trainable == expected, "the trainable variables at the end differ");
}

}  // namespace lamina::test
