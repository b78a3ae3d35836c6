#include <lamina/autograd/ops/index.hpp>
#include <lamina/autograd/ops/join.hpp>
#include <lamina/autograd/ops/linear_algebra.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <vector>

#include "golden_runner/ops.hpp"

namespace lamina::test {
namespace {

template <class T>
std::vector<T> list(const OpCall& call, const char* name) {
  return call.arguments().at(name).get<std::vector<T>>();
}

Variable<double> sliced(const OpCall& call) {
  const auto begin = list<std::int64_t>(call, "begin");
  const auto end = list<std::int64_t>(call, "end");
  const auto step =
      call.arguments().get("step", std::vector<std::int64_t>(begin.size(), std::int64_t{1}));
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < begin.size(); ++i)
    ranges.push_back({begin[i], end.at(i), step.at(i)});
  return slice(call["x"], std::span<const Range>(ranges));
}

Variable<double> padded(const OpCall& call) {
  if (call.arguments().get<std::string>("mode", "constant") != "constant") {
    throw CaseFailed("unknown mode of padding");
  }
  std::vector<Pad> pads;
  for (const Json& pair : call.arguments().at("paddings")) pads.push_back({pair.at(0), pair.at(1)});
  return pad(call["x"], std::span<const Pad>(pads), call.arguments().get("value", 0.0));
}

// a, b, c, ...
std::vector<Variable<double>> operands(const OpCall& call) {
  std::vector<Variable<double>> result;
  for (std::string name = "a"; call.has(name); ++name[0]) result.push_back(call[name]);
  return result;
}

}  // namespace

GoldenOps movement_ops() {
  return {
      {"matmul",
       [](const OpCall& call) {
         return matmul(call["a"], call["b"],
                       {.transpose_a = call.arguments().get("transpose_a", false),
                        .transpose_b = call.arguments().get("transpose_b", false)});
       }},
      {"reshape",
       [](const OpCall& call) {
         const auto shape = list<std::int64_t>(call, "shape");
         return reshape(call["x"], std::span<const std::int64_t>(shape));
       }},
      {"transpose",
       [](const OpCall& call) {
         const auto axes = list<int>(call, "permutation");
         return transpose(call["x"], std::span<const int>(axes));
       }},
      {"slice", sliced},
      {"pad", padded},
      {"flip",
       [](const OpCall& call) {
         const Json& axis = call.arguments().at("axis");
         const auto axes =
             axis.is_number() ? std::vector<int>{axis.get<int>()} : axis.get<std::vector<int>>();
         return flip(call["x"], Axes(std::span<const int>(axes)));
       }},
      {"tile",
       [](const OpCall& call) {
         const auto multiples = list<std::int64_t>(call, "multiples");
         return tile(call["x"], std::span<const std::int64_t>(multiples));
       }},
      {"broadcast_to",
       [](const OpCall& call) {
         const auto shape = list<std::int64_t>(call, "shape");
         return broadcast_to(call["x"], Shape(std::span<const std::int64_t>(shape)));
       }},
      {"concat",
       [](const OpCall& call) {
         const auto inputs = operands(call);
         return concatenate(std::span<const Variable<double>>(inputs), call.arguments().at("axis"));
       }},
      {"stack",
       [](const OpCall& call) {
         const auto inputs = operands(call);
         return stack(std::span<const Variable<double>>(inputs), call.arguments().at("axis"));
       }},
      {"gather",
       [](const OpCall& call) {
         return gather(call["x"], call.constant<std::int64_t>("indices"),
                       call.arguments().at("axis"));
       }},
  };
}

}  // namespace lamina::test
