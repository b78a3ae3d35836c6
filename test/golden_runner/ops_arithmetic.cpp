#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/linear_algebra.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <lamina/autograd/ops/softmax.hpp>
#include <vector>

#include "golden_runner/ops.hpp"

namespace lamina::test {
namespace {

using V = Variable<double>;
using Unary = V(const V&);
using Binary = V(const V&, const V&);
using Reduction = V(const V&, const Axes&, bool);

std::function<V(const OpCall&)> unary(Unary* f) {
  return [f](const OpCall& call) { return f(call["x"]); };
}

std::function<V(const OpCall&)> binary(Binary* f) {
  return [f](const OpCall& call) { return f(call["a"], call["b"]); };
}

std::function<V(const OpCall&)> reduction(Reduction* f) {
  return [f](const OpCall& call) {
    const Json axis = call.arguments().get("axis", Json());
    std::vector<int> axes;
    if (axis.is_array()) axes = axis.get<std::vector<int>>();
    if (axis.is_number()) axes = {axis.get<int>()};
    return f(call["x"], Axes(std::span<const int>(axes)), call.arguments().get("keepdims", false));
  };
}

V power(const OpCall& call) {
  if (call.has("b")) return pow(call["a"], call["b"]);
  return pow(call["x"], call.arguments().at("exponent").get<double>());
}

// Functions made of several ops, by their recorded formula.
V composition(const OpCall& call) {
  const std::string formula = call.arguments().at("formula");
  if (formula == "-sum(w * log_softmax(x, 1), 1)") {
    return -sum(call["w"] * log_softmax(call["x"], 1), 1);
  }
  if (formula == "(x - mean(x, 0)) / sqrt(variance(x, 0) + 1e-3)") {
    const V& x = call["x"];
    return (x - mean(x, 0)) / sqrt(variance(x, 0) + 1e-3);
  }
  if (formula == "tanh(x w) v") return matmul(tanh(matmul(call["x"], call["w"])), call["v"]);
  throw CaseFailed("unknown formula: " + formula);
}

}  // namespace

GoldenOps arithmetic_ops() {
  return {
      {"composition", composition},
      {"add", binary(add)},
      {"sub", binary(subtract)},
      {"mul", binary(multiply)},
      {"div", binary(divide)},
      {"pow", power},
      {"maximum", binary(maximum)},
      {"minimum", binary(minimum)},
      {"neg", unary(negate)},
      {"exp", unary(exp)},
      {"square", unary(square)},
      {"sin", unary(sin)},
      {"cos", unary(cos)},
      {"tanh", unary(tanh)},
      {"sigmoid", unary(sigmoid)},
      {"erf", unary(erf)},
      {"expm1", unary(expm1)},
      {"log", unary(log)},
      {"log1p", unary(log1p)},
      {"sqrt", unary(sqrt)},
      {"rsqrt", unary(rsqrt)},
      {"reciprocal", unary(reciprocal)},
      {"abs", unary(abs)},
      {"sign", unary(sign)},
      {"clip",
       [](const OpCall& call) {
         return clip(call["x"], call.arguments().at("minimum").get<double>(),
                     call.arguments().at("maximum").get<double>());
       }},
      {"where",
       [](const OpCall& call) {
         return where(call.constant<std::uint8_t>("condition"), call["a"], call["b"]);
       }},
      {"sum", reduction(sum)},
      {"mean", reduction(mean)},
      {"variance", reduction(variance)},
      {"max", reduction(max)},
      {"min", reduction(min)},
      {"prod", reduction(prod)},
      {"norm", reduction(norm)},
      {"logsumexp", reduction(logsumexp)},
      {"cumsum",
       [](const OpCall& call) {
         return cumsum(call["x"], call.arguments().at("axis").get<int>());
       }},
  };
}

}  // namespace lamina::test
