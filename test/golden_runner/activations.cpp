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
    {"relu with a threshold below 0", "refused, as by Keras' layer"},
    {"relu with a threshold above max_value", "refused: nothing would be passed on"},
    {"celu", "not built"},
    {"selu", "not built"},
    {"mish", "not built"},
    {"softsign", "not built"},
    {"log_sigmoid", "not built"},
    {"hard_sigmoid", "not built"},
    {"hard_silu", "not built"},
    {"hard_tanh", "not built"},
    {"tanh_shrink", "not built"},
};

// A name may go on behind its kind: "elu_alpha" is "elu" with other arguments.
const std::set<std::string> kKinds = {
    "relu",      "relu_options", "relu6",        "leaky_relu", "elu",         "celu",
    "selu",      "gelu",         "silu",         "mish",       "sigmoid",     "log_sigmoid",
    "hard_tanh", "hard_silu",    "hard_sigmoid", "tanh",       "tanh_shrink", "softplus",
    "softsign",  "exponential",  "linear",       "softmax",    "log_softmax"};

Activation relu_layer(ReLUOptions options) {
  return [options](const V& x) { return ReLU<double>(options)(x, Context<double>{}); };
}

// Keras' argument is a truth, PyTorch's a word.
bool approximate(ArgumentReader& a) {
  if (!a.has("approximate")) return false;
  const Json& value = a.at("approximate");
  return value.is_string() ? value == "tanh" : value.get<bool>();
}

Activation activation_of(const std::string& name, bool torch, ArgumentReader& a) {
  if (name == "relu" && a.empty()) return [](const V& x) { return relu(x); };
  if (name == "relu" || name == "relu_options") {
    ReLUOptions options{.negative_slope = a.get("negative_slope", 0.0),
                        .threshold = a.get("threshold", 0.0)};
    if (a.has("max_value") && !a.at("max_value").is_null()) options.max_value = a.at("max_value");
    return relu_layer(options);
  }
  if (name == "relu6") return relu_layer({.max_value = 6});
  if (name == "leaky_relu") {
    return [slope = a.get("negative_slope", torch ? 0.01 : 0.2)](const V& x) {
      return leaky_relu(x, slope);
    };
  }
  if (name == "elu") {
    return [alpha = a.get("alpha", 1.0)](const V& x) { return elu(x, alpha); };
  }
  if (name == "gelu") {
    return [tanh = approximate(a)](const V& x) { return gelu(x, tanh); };
  }
  if (name == "silu") return [](const V& x) { return silu(x); };
  if (name == "sigmoid") return [](const V& x) { return sigmoid(x); };
  if (name == "tanh") return [](const V& x) { return tanh(x); };
  if (name == "softplus") return [](const V& x) { return softplus(x); };
  if (name == "exponential") return [](const V& x) { return exp(x); };
  if (name == "linear") return [](const V& x) { return x; };
  if (name == "log_softmax") {
    return [axis = a.get("axis", -1)](const V& x) { return log_softmax(x, axis); };
  }
  if (name == "softmax") {
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

void skip_refused_relu(GoldenCase& test, ArgumentReader& a) {
  const double threshold = a.get("threshold", 0.0);
  if (threshold < 0) test.skip_if_listed(kNotBuilt, "relu with a threshold below 0");
  if (threshold > a.get("max_value", threshold)) {
    test.skip_if_listed(kNotBuilt, "relu with a threshold above max_value");
  }
}

void compare_activation(GoldenCase& test, const Json& item) {
  const std::string name = kind_of(item.at("name"), kKinds);
  test.skip_if_listed(kNotBuilt, name);
  ArgumentReader arguments(item.at("arguments"));
  skip_refused_relu(test, arguments);
  const Activation f = activation_of(name, item.at("framework") == "torch", arguments);
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
  for (const Json& item : cases_of(document, "cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { compare_activation(test, item); });
  }
}

}  // namespace lamina::test
