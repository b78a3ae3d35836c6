// regularizers_constraints.json: penalties with their gradients, and projections.
#include <lamina/autograd/tape.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/regularizers.hpp>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

const FeatureList kNotBuilt = {
    {"OrthogonalRegularizer", "only l1, l2 and their sum are built"},
};

// Arguments that a case does not name have Keras' defaults.
Regularizer regularizer_of(const std::string& name, ArgumentReader& arguments) {
  if (name == "L1") return l1(arguments.get("l1", 0.01));
  if (name == "L2") return l2(arguments.get("l2", 0.01));
  if (name == "L1L2") return l1_l2(arguments.get("l1", 0.0), arguments.get("l2", 0.0));
  throw CaseFailed("unknown regularizer " + name);
}

void compare_regularizer(GoldenCase& test, const Json& item) {
  const std::string name = item.at("regularizer");
  test.skip_if_listed(kNotBuilt, name);
  ArgumentReader arguments(item.at("arguments"));
  const Regularizer regularizer = regularizer_of(name, arguments);
  arguments.finish();
  Tape<double> tape;
  const auto x = tape.watch(golden_tensor<double>(item.at("x")));
  const auto penalty = regularizer(x);
  test.compare("value", penalty.value(), item.at("value"));
  test.compare("gradient", tape.gradients(penalty, {x})[0].value(), item.at("gradient"));
}

std::vector<int> axes_of(ArgumentReader& arguments) {
  if (!arguments.has("axis")) return {0};
  const Json& axis = arguments.at("axis");
  return axis.is_array() ? axis.get<std::vector<int>>() : std::vector<int>{axis.get<int>()};
}

Constraint constraint_of(const std::string& name, ArgumentReader& arguments) {
  if (name == "NonNeg") return non_neg();
  if (name == "UnitNorm") return unit_norm(axes_of(arguments));
  if (name == "MaxNorm") return max_norm(arguments.get("max_value", 2.0), axes_of(arguments));
  if (name == "MinMaxNorm") {
    return min_max_norm({.min_value = arguments.get("min_value", 0.0),
                         .max_value = arguments.get("max_value", 1.0),
                         .rate = arguments.get("rate", 1.0),
                         .axis = axes_of(arguments)});
  }
  throw CaseFailed("unknown constraint " + name);
}

void compare_constraint(GoldenCase& test, const Json& item) {
  ArgumentReader arguments(item.at("arguments"));
  const Constraint constraint = constraint_of(item.at("constraint"), arguments);
  arguments.finish();
  test.compare("y", constraint(golden_tensor<double>(item.at("x"))), item.at("y"));
}

}  // namespace

void run_regularizers_constraints(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  const std::map<std::string, void (*)(GoldenCase&, const Json&)> lists = {
      {"regularizers", compare_regularizer}, {"constraints", compare_constraint}};
  for (const auto& [list, compare] : lists) {
    for (const Json& item : cases_of(document, list, {"regularizers", "constraints"})) {
      report.run(item.at("name"), [&](GoldenCase& test) { compare(test, item); });
    }
  }
}

}  // namespace lamina::test
