// activations.json: values and derivatives on a grid, second derivatives at smooth points, softmax.
#include <functional>
#include <lamina/autograd/ops/activation.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/softmax.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/layers/activations.hpp>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

using V = Variable<double>;
using Activation = std::function<V(const V&)>;

const FeatureList kNotBuilt = {
    {"celu", "not built"},      {"selu", "not built"},        {"mish", "not built"},
    {"softsign", "not built"},  {"log_sigmoid", "not built"}, {"hard_sigmoid", "not built"},
    {"hard_silu", "not built"}, {"hard_tanh", "not built"},   {"tanh_shrink", "not built"},
};

Activation relu_layer(ReLUOptions options) {
  return [options](const V& x) { return ReLU<double>(options)(x, Context<double>{}); };
}

// The activation that a case names; one name may have variants, "elu_alpha" of "elu".
Activation activation_of(const std::string& name, ArgumentReader& a) {
  if (name == "relu") return [](const V& x) { return relu(x); };
  if (name == "relu_options") {
    return relu_layer({.max_value = a.get("max_value", 0.0),
                       .negative_slope = a.get("negative_slope", 0.0),
                       .threshold = a.get("threshold", 0.0)});
  }
  if (name == "relu6") return relu_layer({.max_value = 6});
  if (name == "leaky_relu") {
    return [slope = a.get("negative_slope", 0.0)](const V& x) { return leaky_relu(x, slope); };
  }
  if (name == "elu" || name == "elu_alpha") {
    return [alpha = a.get("alpha", 1.0)](const V& x) { return elu(x, alpha); };
  }
  if (name == "gelu" || name == "gelu_tanh") {
    return [tanh = a.get("approximate", false)](const V& x) { return gelu(x, tanh); };
  }
  if (name == "silu") return [](const V& x) { return silu(x); };
  if (name == "sigmoid") return [](const V& x) { return sigmoid(x); };
  if (name == "tanh") return [](const V& x) { return tanh(x); };
  if (name == "softplus") return [](const V& x) { return softplus(x); };
  if (name == "exponential") return [](const V& x) { return exp(x); };
  if (name == "linear") return [](const V& x) { return x; };
  if (name.starts_with("log_softmax")) {
    return [axis = a.get("axis", -1)](const V& x) { return log_softmax(x, axis); };
  }
  if (name.starts_with("softmax")) {
    return [axis = a.get("axis", -1)](const V& x) { return softmax(x, axis); };
  }
  throw CaseFailed("unknown activation: " + name);
}

// The derivative of f at x in a plain pass, which takes the fused kernels.
Tensor<double> slope(const Activation& f, const Tensor<double>& x, const Tensor<double>& upstream) {
  Tape<double> tape;
  const V v = tape.watch(x);
  return tape.gradients(f(v), {v}, {.seed = upstream})[0].value();
}

// First and second derivative in a recorded pass, which takes the composed forms: the second along
// `direction`.
struct Derivatives {
  Tensor<double> first, second;
};
Derivatives recorded(const Activation& f, const Tensor<double>& x, const Tensor<double>& upstream,
                     const Tensor<double>& direction) {
  Tape<double> tape;
  const V v = tape.watch(x);
  const V first = tape.gradients(f(v), {v}, {.create_graph = true, .seed = upstream})[0];
  if (!first.tracked()) return {first.value(), Tensor<double>::zeros(x.shape())};
  return {first.value(), tape.gradients(first, {v}, {.seed = direction})[0].value()};
}

void compare_activation(GoldenCase& test, const Json& item) {
  const std::string name = item.at("name");
  test.skip_if_listed(kNotBuilt, name);
  ArgumentReader arguments(item.at("arguments"));
  const Activation f = activation_of(name, arguments);
  arguments.finish();

  const auto x = golden_tensor<double>(item.at("x"));
  const auto ones = Tensor<double>::ones(x.shape());
  const auto upstream = item.contains("upstream") ? golden_tensor<double>(item["upstream"]) : ones;
  test.compare("y", f(V(x)).value(), item.at("y"));
  test.compare("gradient", slope(f, x, upstream), item.at("gradient"));
  test.compare("recorded gradient", recorded(f, x, upstream, ones).first, item["gradient"]);
  if (item.contains("hessian_vector")) {
    const auto direction = golden_tensor<double>(item.at("direction"));
    test.compare("Hessian-vector product", recorded(f, x, upstream, direction).second,
                 item["hessian_vector"]);
  }
  if (item.contains("smooth")) {
    const Json& smooth = item["smooth"];
    const auto points = golden_tensor<double>(smooth.at("x"));
    const auto one = Tensor<double>::ones(points.shape());
    test.compare("y at smooth points", f(V(points)).value(), smooth.at("y"));
    test.compare("slope at smooth points", slope(f, points, one), smooth.at("first"));
    test.compare("curvature", recorded(f, points, one, one).second, smooth.at("second"));
  }
}

}  // namespace

void run_activations(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  for (const Json& item : document.at("cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { compare_activation(test, item); });
  }
}

}  // namespace lamina::test
