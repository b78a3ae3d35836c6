// Everything that is tested about an op, in one call:
//
//   check_op("multiply", [](auto x) { return multiply(x[0], x[1]); },
//            elementwise<2>(std::multiplies{}), binary_arguments());
//
// The op is a function of a list of variables, generic over float and double. The oracle computes
// the same naively in double (null: the value is tested elsewhere). For every argument list:
//   * value against the oracle; the same bits with and without a tape; float against double
//   * first and second derivative against central differences, also in the gradient from above
//   * every subset of the inputs as constants, and as the only sources: the same bits of gradient
//   * two or more inputs of one shape: also f(x, x, ...) with one variable
//   * fresh memory is filled with NaN throughout
//   * over repetitions: no growth of nodes, saved bytes or memory, no operator new per recorded op
#pragma once

#include <boost/test/unit_test.hpp>
#include <functional>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/autograd/tensor/allocator.hpp>
#include <span>
#include <string>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/numbers.hpp"

namespace lamina::test {

using Arguments = std::vector<Tensor<double>>;
using Oracle = std::function<Tensor<double>(const Arguments&)>;

struct OpOptions {
  int orders = 2;                  // of the derivatives that are compared with differences
  double tolerance = 1e-6;         // of the derivatives
  double value_tolerance = 1e-12;  // against the oracle
  double float_tolerance = 1e-5;   // of float against double, values and gradients
  bool repeated = true;            // also f(x, x, ...)
};

class PoisonedMemory {
 public:
  PoisonedMemory() { set_memory_poison(true); }
  ~PoisonedMemory() { set_memory_poison(false); }
};

namespace battery {

template <Scalar T>
using Variables = std::vector<Variable<T>>;
template <Scalar T>
using Span = std::span<const Variable<T>>;

template <Scalar T>
std::vector<Tensor<T>> converted(const Arguments& arguments) {
  std::vector<Tensor<T>> result;
  for (const auto& argument : arguments) result.push_back(argument.template cast<T>());
  return result;
}

// Weights that are no power of two and differ between elements.
template <Scalar T>
Tensor<T> weights_like(const Shape& shape) {
  Tensor<T> weights = Tensor<T>::uninitialized(shape);
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    weights.mutable_data()[i] = static_cast<T>(0.3 + 0.07 * static_cast<double>(i % 11));
  }
  return weights;
}

// Value and gradients of sum(weights * f(inputs)). Bit i of `tracked`: input i is a variable, not a
// constant; bit i of `sources`: its gradient is asked for.
template <Scalar T>
struct Outcome {
  Tensor<T> value;
  std::vector<Tensor<T>> gradients;  // undefined where not asked for
};

template <Scalar T, class Function>
Outcome<T> differentiate(const Function& f, const Arguments& arguments, unsigned tracked,
                         unsigned sources) {
  Tape<T> tape;
  Variables<T> inputs, asked;
  const auto values = converted<T>(arguments);
  for (std::size_t i = 0; i < values.size(); ++i) {
    inputs.push_back((tracked >> i) & 1 ? tape.watch(values[i]) : Variable<T>(values[i]));
    if ((sources >> i) & 1) asked.push_back(inputs.back());
  }
  const Variable<T> y = f(Span<T>(inputs));
  Outcome<T> outcome{y.value(), std::vector<Tensor<T>>(values.size())};
  if (asked.empty() || !y.tracked()) return outcome;
  const auto gradients = tape.gradients(y, asked, {.seed = weights_like<T>(y.shape())});
  auto next = gradients.begin();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if ((sources >> i) & 1) outcome.gradients[i] = (next++)->value();
  }
  return outcome;
}

template <class Function>
void check_values(const Function& f, const Oracle& oracle, const Arguments& arguments,
                  const OpOptions& options) {
  const unsigned all = (1u << arguments.size()) - 1;
  const auto exact = differentiate<double>(f, arguments, all, all);
  const auto constant = differentiate<double>(f, arguments, 0, 0);
  BOOST_TEST(identical(exact.value, constant.value), "the value must not depend on recording");
  if (oracle) check_close("value", exact.value, oracle(arguments), options.value_tolerance);

  // The arguments are rounded to float first, so that only the op's own rounding is compared.
  Arguments rounded;
  for (const auto& argument : arguments) {
    rounded.push_back(argument.template cast<float>().template cast<double>());
  }
  const auto reference = differentiate<double>(f, rounded, all, all);
  const auto single = differentiate<float>(f, rounded, all, all);
  check_close("value in float", single.value.template cast<double>(), reference.value,
              options.float_tolerance);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!single.gradients[i].defined()) continue;
    check_close("gradient " + std::to_string(i) + " in float",
                single.gradients[i].template cast<double>(), reference.gradients[i],
                options.float_tolerance);
  }
}

template <class Function>
void check_derivatives(const Function& f, const Arguments& arguments, const OpOptions& options) {
  const GradientReport report =
      gradient_check([&](Span<double> x) { return f(x); }, arguments,
                     {.orders = options.orders, .tolerance = options.tolerance, .throws = false});
  BOOST_TEST(report.passed, "derivatives must agree with differences; " << report.text);
}

template <class Function>
void check_masks(const Function& f, const Arguments& arguments) {
  const unsigned all = (1u << arguments.size()) - 1;
  const auto full = differentiate<double>(f, arguments, all, all);
  for (unsigned mask = 1; mask <= all; ++mask) {
    const auto others_constant = differentiate<double>(f, arguments, mask, mask);
    const auto only_sources = differentiate<double>(f, arguments, all, mask);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (!((mask >> i) & 1) || !full.gradients[i].defined()) continue;
      BOOST_TEST(identical(others_constant.gradients[i], full.gradients[i]),
                 "gradient " << i << " must not change when inputs outside mask " << mask
                             << " are constants");
      BOOST_TEST(identical(only_sources.gradients[i], full.gradients[i]),
                 "gradient " << i << " must not change when only mask " << mask << " is asked for");
    }
  }
}

template <class Function>
void check_repeated(const Function& f, const Arguments& arguments, const OpOptions& options) {
  if (arguments.size() < 2 || !options.repeated) return;
  for (const auto& argument : arguments) {
    if (!(argument.shape() == arguments[0].shape())) return;
  }
  const std::size_t count = arguments.size();
  const auto repeated = [&](auto x) {
    const std::vector<std::remove_cvref_t<decltype(x[0])>> copies(count, x[0]);
    return f(std::span(copies));
  };
  BOOST_TEST_CONTEXT("one variable as every input") {
    check_derivatives(repeated, {arguments[0]}, options);
  }
}

// What `repetitions` recorded and differentiated calls cost in calls of operator new, once warm.
template <class Function>
std::int64_t allocations_of(Tape<double>& tape, const Function& f, const Arguments& arguments,
                            int repetitions) {
  std::vector<std::shared_ptr<Leaf<double>>> leaves;
  for (const auto& argument : arguments) {
    leaves.push_back(std::make_shared<Leaf<double>>());
    leaves.back()->value = argument;
  }
  Variables<double> inputs(arguments.size());
  std::int64_t calls = 0, nodes = 0, memory = 0;
  for (int round = 0; round < 6; ++round) {
    const std::int64_t before = allocations();
    const std::int64_t blocks = memory_counters().system_allocations;
    for (std::size_t i = 0; i < leaves.size(); ++i) inputs[i] = tape.watch(leaves[i]);
    Variable<double> total(Tensor<double>::scalar(0));
    for (int k = 0; k < repetitions; ++k) total = total + sum(f(Span<double>(inputs)));
    if (round > 2) BOOST_TEST(tape.nodes() == nodes, "the number of nodes must not grow");
    nodes = tape.nodes();
    if (total.tracked()) tape.backward(total);
    BOOST_TEST(tape.saved_bytes() == 0, "a consumed record must keep nothing");
    tape.clear();
    calls = allocations() - before;
    memory = memory_counters().system_allocations - blocks;
  }
  if (counts_allocations()) BOOST_TEST(memory == 0, "a warm step must take no memory");
  return calls;
}

template <class Function>
void check_growth(const Function& f, const Arguments& arguments) {
  Tape<double> tape;
  const std::int64_t once = allocations_of(tape, f, arguments, 1);
  const std::int64_t often = allocations_of(tape, f, arguments, 5);
  if (counts_allocations()) {
    BOOST_TEST(often == once, "recorded ops must not call operator new; got "
                                  << often - once << " calls for 4 more of them");
  }
}

inline std::string text_of(const Arguments& arguments) {
  std::string text;
  for (const auto& argument : arguments) text.append(" ").append(argument.shape().to_string());
  return text;
}

}  // namespace battery

template <class Function>
void check_op(const std::string& name, const Function& f, const Oracle& oracle,
              const std::vector<Arguments>& argument_lists, const OpOptions& options = {}) {
  const PoisonedMemory poisoned;
  for (const Arguments& arguments : argument_lists) {
    BOOST_TEST_CONTEXT(name << battery::text_of(arguments)) {
      battery::check_values(f, oracle, arguments, options);
      battery::check_derivatives(f, arguments, options);
      battery::check_masks(f, arguments);
      battery::check_repeated(f, arguments, options);
      battery::check_growth(f, arguments);
    }
  }
}

// The naive broadcast of a function of `Count` numbers.
template <int Count, class Function>
Oracle elementwise(Function f) {
  return [f](const Arguments& arguments) {
    Shape shape = arguments[0].shape();
    for (const auto& a : arguments) shape = broadcast_shape(shape, a.shape(), "oracle");
    const auto element = [&](const Tensor<double>& a, std::int64_t position) {
      std::int64_t offset = 0, stride = 1;
      for (int axis = shape.rank() - 1, own = a.rank() - 1; own >= 0; --axis, --own) {
        if (a.shape()[own] != 1) offset += position % shape[axis] * stride;
        position /= shape[axis];
        stride *= a.shape()[own];
      }
      return a.data()[offset];
    };
    Tensor<double> result = Tensor<double>::uninitialized(shape);
    for (std::int64_t i = 0; i < shape.size(); ++i) {
      if constexpr (Count == 1) result.mutable_data()[i] = f(element(arguments[0], i));
      if constexpr (Count == 2) {
        result.mutable_data()[i] = f(element(arguments[0], i), element(arguments[1], i));
      }
      if constexpr (Count == 3) {
        result.mutable_data()[i] =
            f(element(arguments[0], i), element(arguments[1], i), element(arguments[2], i));
      }
    }
    return result;
  };
}

// One tensor of each of several shapes, among them a scalar, one element, and nothing.
inline std::vector<Arguments> unary_arguments(double low = -2, double high = 2) {
  std::vector<Arguments> lists;
  std::uint64_t seed = 1;
  for (const Shape& shape : {Shape{2, 3, 5}, Shape{7}, Shape{1}, Shape{}, Shape{0, 3}}) {
    lists.push_back({random_tensor<double>(shape, seed++, low, high)});
  }
  return lists;
}

// Pairs of tensors that broadcast in every way.
inline std::vector<Arguments> binary_arguments(double low = -2, double high = 2) {
  const std::vector<std::pair<Shape, Shape>> shapes{{{2, 3, 5}, {2, 3, 5}},
                                                    {{2, 3}, {3}},
                                                    {{3, 1}, {2, 3, 5}},
                                                    {{2, 1, 5}, {3, 1}},
                                                    {{2, 3}, {}},
                                                    {{1, 1}, {7}},
                                                    {{}, {}},
                                                    {{1}, {1}},
                                                    {{0, 3}, {1, 3}},
                                                    {{3}, {0, 1}}};
  std::vector<Arguments> lists;
  std::uint64_t seed = 1;
  for (const auto& [a, b] : shapes) {
    Arguments list{random_tensor<double>(a, seed, low, high),
                   random_tensor<double>(b, seed + 1, low, high)};
    lists.push_back(std::move(list));
    seed += 2;
  }
  return lists;
}

}  // namespace lamina::test
