// ops.json: values, gradients and Hessian-vector products of tensor ops.
#include "golden_runner/ops.hpp"

#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tape.hpp>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

const char* const kTies =
    "PyTorch halves the gradient of equal operands; Keras gives it to the first";

// By op, or what else a case has.
const FeatureList kNotBuilt = {
    {"floor", "not built: its derivative is 0"},
    {"round", "not built: its derivative is 0"},
    {"einsum", "not built"},
    {"cumprod", "not built"},
    {"take_along_axis", "not built"},
    {"mode:reflect", "only constant padding is built"},
    {"mode:replicate", "only constant padding is built"},
    {"mode:circular", "only constant padding is built"},
    {"maximum of equal operands", kTies},
    {"minimum of equal operands", kTies},
};

// Skips the case where the frameworks decide otherwise than lamina.
void skip_torch_ties(GoldenCase& test, const Json& item, const std::string& op) {
  if (item.at("framework") != "torch" || (op != "maximum" && op != "minimum")) return;
  const Json& inputs = item.at("inputs");
  const Variable<double> a = golden_tensor<double>(inputs.at("a"));
  const Variable<double> b = golden_tensor<double>(inputs.at("b"));
  const Variable<double> differences = a - b;
  for (const double difference : differences.value().values()) {
    if (difference == 0) test.skip_if_listed(kNotBuilt, op + " of equal operands");
  }
}

// Gradients, and the derivative of sum(gradient * direction) where it is recorded.
void compare_derivatives(GoldenCase& test, const Json& item, Tape<double>& tape,
                         const Variable<double>& y,
                         const std::map<std::string, Variable<double>>& variables) {
  std::vector<std::string> names;
  std::vector<Variable<double>> sources;
  for (const auto& [name, recorded] : item.at("gradients").items()) {
    names.push_back(name);
    sources.push_back(variables.at(name));
  }
  GradientOptions<double> options{.create_graph = true};
  if (item.contains("upstream")) options.seed = golden_tensor<double>(item.at("upstream"));
  const auto gradients = tape.gradients(y, sources, options);
  for (std::size_t i = 0; i < names.size(); ++i) {
    test.compare("gradient of " + names[i], gradients[i].value(), item["gradients"][names[i]]);
  }
  if (!item.contains("hessian_vector")) return;
  Variable<double> along = Tensor<double>::scalar(0);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Variable<double> direction = golden_tensor<double>(item["directions"].at(names[i]));
    along = along + sum(gradients[i] * direction);
  }
  std::vector<Tensor<double>> products;
  for (const auto& source : sources) products.push_back(Tensor<double>::zeros(source.shape()));
  if (along.tracked()) {
    const auto second = tape.gradients(along, sources);
    for (std::size_t i = 0; i < names.size(); ++i) products[i] = second[i].value();
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    test.compare("Hessian-vector product of " + names[i], products[i],
                 item["hessian_vector"].at(names[i]));
  }
}

void compare_op(GoldenCase& test, const Json& item, const GoldenOps& ops) {
  const std::string op = item.at("op");
  test.skip_if_listed(kNotBuilt, op);
  skip_torch_ties(test, item, op);
  if (item.at("arguments").contains("mode")) {
    test.skip_if_listed(kNotBuilt, "mode:" + item.at("arguments").at("mode").get<std::string>());
  }
  if (!ops.contains(op)) test.fail("no such op: " + op);

  Tape<double> tape;
  std::map<std::string, Variable<double>> variables;
  for (const auto& [name, recorded] : item.at("gradients").items()) {
    variables[name] = tape.watch(golden_tensor<double>(item.at("inputs").at(name)));
  }
  ArgumentReader arguments(item.at("arguments"));
  const Variable<double> y = ops.at(op)(OpCall(item.at("inputs"), variables, arguments));
  arguments.finish();
  test.compare("value", y.value(), item.at("output"));
  compare_derivatives(test, item, tape, y, variables);
}

}  // namespace

void run_ops(const std::filesystem::path& file, GoldenReport& report) {
  GoldenOps ops = arithmetic_ops();
  ops.merge(movement_ops());
  const Json document = read_json(file);
  for (const Json& item : cases_of(document, "cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { compare_op(test, item, ops); });
  }
}

}  // namespace lamina::test
