#include "golden_runner/scope_program.hpp"

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/layers/batch_normalization_function.hpp>
#include <regex>

#include "golden_runner/batch_normalization_layer.hpp"

namespace lamina::test {
namespace {

Reuse reuse_from(const Json& json) {
  if (json.is_null() || json == false) return Reuse::no;
  return json == true ? Reuse::yes : Reuse::automatic;
}

// Whether the seed refused only because it gives the parameters of ghost batches more dimensions,
// of size 1. lamina's keep their shape, so that they can be shared with a plain layer or another
// rank.
bool refused_for_ghost_shape(const std::string& message) {
  static const std::regex shapes(R"(specified shape \((.*)\) and found shape \((.*)\))");
  std::smatch match;
  if (!std::regex_search(message, match, shapes)) return false;
  const auto without_ones = [](const std::string& shape) {
    static const std::regex number("[0-9]+");
    std::vector<std::string> extents;
    for (std::sregex_iterator it(shape.begin(), shape.end(), number), end; it != end; ++it) {
      if (it->str() != "1") extents.push_back(it->str());
    }
    return extents;
  };
  return without_ones(match[1]) == without_ones(match[2]);
}

class Program {
 public:
  explicit Program(GoldenCase& test) : test_(test) {}

  // False once the variables of the two have parted, which lamina decides to let happen: the seed
  // leaves those behind that a failed call had made, lamina makes all or none; and what is made by
  // a call that only lamina accepts. What follows cannot be compared.
  bool comparable() const { return comparable_; }

  void run(const Json& nodes, const Scope& scope) {
    for (const Json& node : nodes) {
      if (!comparable_) return;
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
    const bool by_seed = node.at("result") == "ok";
    const std::string refusal = node.value("message", "");
    const bool only_here = accepted && !by_seed && refused_for_ghost_shape(refusal);
    test_.check(accepted == by_seed || only_here, label + ": " + message + refusal);
    if (only_here && node.at("training") == true && options.trainable) expected_operations_ += 2;

    const auto after = scope.variables();
    const std::vector<std::string> made(after.begin() + static_cast<std::ptrdiff_t>(before.size()),
                                        after.end());
    const auto recorded = node.value("creates", std::vector<std::string>());
    if (!by_seed && (!made.empty() || !recorded.empty())) {
      comparable_ = false;
      return test_.check(accepted || made.empty(), label + ": a failed call made variables");
    }
    test_.check(made == recorded, label + ": other variables were made");
    for (const auto& used : node.value("uses", std::vector<std::string>())) {
      test_.check(std::find(after.begin(), after.end(), used) != after.end(),
                  label + ": " + used + " is missing");
    }
    // The seed counts one operation for the mean and one for the variance, renorm's being part of
    // them.
    std::int64_t operations = 0;
    const auto count = [&](const auto& collected) {
      for (const auto& path : collected.paths()) {
        operations += path.ends_with("/moving_mean") || path.ends_with("/moving_variance");
      }
    };
    count(updates_);
    count(double_updates_);
    test_.check(operations - expected_operations_ ==
                    node.value("update_operations_so_far", std::int64_t{0}),
                label + ": " + std::to_string(operations) + " update operations");
  }

  GoldenCase& test_;
  CollectedUpdates<float> updates_;
  CollectedUpdates<double> double_updates_;
  std::int64_t expected_operations_ = 0;  // of calls that only lamina accepts
  int calls_ = 0;
  bool comparable_ = true;
};

}  // namespace

void run_scope_program(GoldenCase& test, const Json& item) {
  Scope root;
  Program program(test);
  program.run(item.at("program"), root);
  if (!program.comparable()) return;
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
