#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <limits>

namespace lamina {

namespace {

using Values = std::vector<Tensor<double>>;

// In [-1, 1] without the neighbourhood of 0, so that no error hides behind a small weight. Any
// sequence does; this one is SplitMix64.
class Weights {
 public:
  explicit Weights(std::uint64_t seed) : state_(seed) {}

  Tensor<double> like(const Shape& shape) {
    Tensor<double> result = Tensor<double>::uninitialized(shape);
    for (double& value : result.mutable_values()) {
      const double uniform = static_cast<double>(next() >> 11) * 0x1p-53;
      value = (next() & 1 ? 1 : -1) * (0.25 + 0.75 * uniform);
    }
    return result;
  }

 private:
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

class Checker {
 public:
  Checker(const CheckedFunction& function, std::span<const Tensor<double>> inputs,
          const GradientCheckOptions& options)
      : function_(function), options_(options), values_(inputs.begin(), inputs.end()) {
    const std::vector<Variable<double>> constants(inputs.begin(), inputs.end());
    Weights weights(options.seed);
    values_.push_back(weights.like(function(constants).shape()));
    for (int order = 1; order < options.orders; ++order) {
      for (const Tensor<double>& value : values_)
        directions_.push_back(weights.like(value.shape()));
    }
  }

  GradientReport run() {
    for (int order = 1; order <= options_.orders; ++order) {
      // The next order differentiates what a recorded pass computes, whether that is right or not.
      std::vector<Values> passes{gradients(order, {})};
      if (order < options_.orders) passes.push_back(gradients(order, {.create_graph = true}));
      for (std::size_t input = 0; input < values_.size(); ++input) {
        compare(order, input, passes);
      }
    }
    describe();
    return report_;
  }

 private:
  // The scalar whose gradient is checked at this order, recorded on the tape.
  Variable<double> scalar(Tape<double>& tape, const std::vector<Variable<double>>& variables,
                          int order) const {
    const std::span<const Variable<double>> inputs(variables.data(), variables.size() - 1);
    Variable<double> total = sum(function_(inputs) * variables.back());
    const Tensor<double>* direction = directions_.data();
    for (int k = 1; k < order && total.tracked(); ++k) {
      const auto gradients = tape.gradients(total, variables, {.create_graph = true});
      Variable<double> next(Tensor<double>::scalar(0));
      for (const Variable<double>& gradient : gradients) {
        next = next + sum(gradient * *direction++);
      }
      total = next;
    }
    return total;
  }

  std::vector<Variable<double>> watched(Tape<double>& tape) const {
    std::vector<Variable<double>> variables;
    for (const Tensor<double>& value : values_) variables.push_back(tape.watch(value));
    return variables;
  }

  Values gradients(int order, const GradientOptions<double>& pass) const {
    Tape<double> tape;
    const auto variables = watched(tape);
    const Variable<double> total = scalar(tape, variables, order);
    Values result;
    if (!total.tracked()) {  // constant: every derivative is 0
      for (const auto& value : values_) result.push_back(Tensor<double>::zeros(value.shape()));
      return result;
    }
    for (const auto& gradient : tape.gradients(total, variables, pass)) {
      result.push_back(gradient.value());
    }
    return result;
  }

  double value_with(int order, std::size_t input, std::int64_t element, double value) {
    double& place = values_[input].mutable_data()[element];
    const double before = std::exchange(place, value);
    Tape<double> tape;
    const double total = scalar(tape, watched(tape), order).item();
    values_[input].mutable_data()[element] = before;
    return total;
  }

  double numeric_derivative(int order, std::size_t input, std::int64_t element) {
    const double x = values_[input].data()[element];
    const double h = options_.step * std::max(1.0, std::abs(x));
    const auto at = [&](double offset) { return value_with(order, input, element, x + offset); };
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  }

  void compare(int order, std::size_t input, const std::vector<Values>& passes) {
    for (std::int64_t element = 0; element < values_[input].size(); ++element) {
      const double n = numeric_derivative(order, input, element);
      for (const Values& analytic : passes) {
        report(order, input, element, analytic[input].data()[element], n);
      }
    }
  }

  void report(int order, std::size_t input, std::int64_t element, double a, double n) {
    double error = std::abs(a - n) / std::max(1.0, std::abs(n));
    if (!std::isfinite(error)) error = std::numeric_limits<double>::infinity();
    if (compared_++ > 0 && !(error > report_.error)) return;
    report_ = {.passed = error <= options_.tolerance,
               .order = order,
               .input = static_cast<int>(input),
               .index = index_of(values_[input].shape(), element),
               .analytic = a,
               .numeric = n,
               .error = error,
               .text = {}};
  }

  static std::vector<std::int64_t> index_of(const Shape& shape, std::int64_t element) {
    std::vector<std::int64_t> index(static_cast<std::size_t>(shape.rank()));
    for (int axis = shape.rank(); axis-- > 0; element /= shape[axis]) {
      index[static_cast<std::size_t>(axis)] = element % shape[axis];
    }
    return index;
  }

  void describe() {
    const bool above = report_.input + 1 == static_cast<int>(values_.size());
    report_.text = fmt::format(
        "got {:.12g}, expected {:.12g} (order {}, {} at ({}), error {:.3g}, tolerance {:g})",
        report_.analytic, report_.numeric, report_.order,
        above ? "the gradient from above" : fmt::format("input {}", report_.input),
        fmt::join(report_.index, ", "), report_.error, options_.tolerance);
  }

  const CheckedFunction& function_;
  const GradientCheckOptions& options_;
  Values values_;      // the inputs, and the weights of the sum
  Values directions_;  // one per value and order
  GradientReport report_;
  std::int64_t compared_ = 0;
};

}  // namespace

GradientReport gradient_check(const CheckedFunction& function,
                              std::span<const Tensor<double>> inputs,
                              const GradientCheckOptions& options) {
  if (options.orders < 1) {
    throw ArgumentError("gradient_check",
                        fmt::format("orders must be at least 1; got {}", options.orders));
  }
  if (!(options.step > 0) || !(options.tolerance >= 0)) {
    throw ArgumentError("gradient_check",
                        fmt::format("step must be positive and tolerance at least 0; got {} and {}",
                                    options.step, options.tolerance));
  }
  GradientReport report = Checker(function, inputs, options).run();
  if (!report.passed && options.throws) {
    throw NumericError("gradient_check",
                       "derivatives must agree with central differences; " + report.text);
  }
  return report;
}

}  // namespace lamina
