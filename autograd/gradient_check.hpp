// gradient_check: is the derivative of a function right?
//
//   gradient_check([](const auto& x) { return my_op(x[0], x[1]); }, {a, b});
//
// compares the derivatives that the tape gives, of first and second order, in a plain pass and in
// one that is recorded for the next order, with central differences in double, for every element of
// every input and for the gradient that arrives from above. It throws a NumericError that names the
// worst element when they disagree:
//
//   [gradient_check] derivatives must agree with central differences; got 2.1, expected 4.2 (order
//   1, input 0 at (1, 2), error 2.1, tolerance 1e-06)
//
// How: L = sum(w * f(inputs)) with random weights w is a scalar; its gradient is compared with
// (8 (L(x+h) - L(x-h)) - (L(x+2h) - L(x-2h))) / 12h. The sum of that gradient, weighted again, is
// the scalar for the next order. The weights count as one more input, the last.
//
// Inputs should keep a distance of 2h from kinks, where a derivative does not exist.
// Cost: four evaluations per element and order. Thread-safety: what the function has.
#pragma once

#include <functional>
#include <initializer_list>
#include <lamina/autograd/variable.hpp>
#include <span>
#include <string>
#include <vector>

namespace lamina {

struct GradientCheckOptions {
  int orders = 2;           // 1: gradients only; 2: their gradients too; and so on
  double tolerance = 1e-6;  // |analytic - numeric| <= tolerance * max(1, |numeric|)
  double step = 1e-4;       // h = step * max(1, |x|)
  std::uint64_t seed = 1;   // of the random weights
  bool throws = true;       // false: the report is returned even of a failure
};

struct GradientReport {
  bool passed = true;
  // The worst element of all.
  int order = 1;
  int input = 0;  // the number of inputs: the gradient from above
  std::vector<std::int64_t> index;
  double analytic = 0;
  double numeric = 0;
  double error = 0;  // |analytic - numeric| / max(1, |numeric|)

  // "got 2.1, expected 4.2 (order 1, input 0 at (1, 2), error 2.1, tolerance 1e-06)".
  std::string text;
};

using CheckedFunction = std::function<Variable<double>(std::span<const Variable<double>>)>;

// NumericError when derivatives disagree, ArgumentError for options outside their range.
GradientReport gradient_check(const CheckedFunction& function,
                              std::span<const Tensor<double>> inputs,
                              const GradientCheckOptions& options = {});

inline GradientReport gradient_check(const CheckedFunction& function,
                                     std::initializer_list<Tensor<double>> inputs,
                                     const GradientCheckOptions& options = {}) {
  return gradient_check(function, std::span<const Tensor<double>>(inputs.begin(), inputs.size()),
                        options);
}

}  // namespace lamina
