// An op of one's own: value and derivative in one function, proved right by gradient_check.
//
//   softsign(x) = x / (1 + |x|)        softsign'(x) = 1 / (1 + |x|)^2
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <lamina/lamina.hpp>

using namespace lamina;

namespace {

// The backward uses ops on variables, so derivatives of any order follow.
template <Scalar T>
Variable<T> softsign(const Variable<T>& x) {
  Tensor<T> y = Tensor<T>::uninitialized(x.shape());
  T* const out = y.mutable_data();
  const T* const in = x.value().data();
  for (std::int64_t i = 0; i < y.size(); ++i) out[i] = in[i] / (1 + std::abs(in[i]));

  return record<T>("softsign", {x}, std::move(y), save(x),
                   [](Backward<T>& b) { b.add(0, b.gradient() / square(1 + abs(b.saved(0)))); });
}

// The same with a mistake: the square was forgotten.
template <Scalar T>
Variable<T> wrong_softsign(const Variable<T>& x) {
  return record<T>("wrong_softsign", {x}, softsign(x.detached()).value(), save(x),
                   [](Backward<T>& b) { b.add(0, b.gradient() / (1 + abs(b.saved(0)))); });
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("An op of one's own, and the check of its derivatives");
  CLI11_PARSE(app, count, arguments);

  const Tensor<double> inputs({2, 3}, {-2.0, -0.7, -0.1, 0.2, 1.1, 3.0});
  const GradientReport report =
      gradient_check([](const auto& x) { return softsign(x[0]); }, {inputs}, {.orders = 3});
  fmt::print(
      "softsign: derivatives up to order 3 agree with central differences, largest error {:.1e}\n",
      report.error);
  try {
    gradient_check([](const auto& x) { return wrong_softsign(x[0]); }, {inputs});
  } catch (const NumericError& error) {
    fmt::print("wrong_softsign: {}\n", error.what());
  }

  // Used like any other op.
  Tape<double> tape;
  const Variable<double> x = tape.watch(inputs);
  const Variable<double> y = sum(softsign(x * 2.0));
  fmt::print("d sum(softsign(2x)) / dx at x = -2: {:.4f}, expected {:.4f}\n",
             tape.gradients(y, {x})[0].value().at({0, 0}), 2.0 / 25.0);
  return 0;
}
