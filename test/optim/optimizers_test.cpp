// The formulas by hand, on one element each; the recorded steps of Keras and PyTorch are in
// golden_test.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/optim/adam.hpp>
#include <lamina/optim/rmsprop.hpp>
#include <lamina/optim/sgd.hpp>
#include <limits>

#include "optim/support.hpp"
#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr auto kTorch = OptimizerFormula::pytorch;
const auto kTight = boost::test_tools::tolerance(1e-14);

// The values of one parameter that starts at 1 and meets these gradients.
std::vector<double> run(const OptimizerFactory& factory, const std::vector<double>& gradients) {
  const auto parameter = make_parameter<double>("w", Tensor<double>({1}, {1.0}));
  const auto optimizer = factory.make({parameter});
  std::vector<double> values;
  for (const double gradient : gradients) {
    parameter->gradient = Tensor<double>({1}, {gradient});
    optimizer->step();
    values.push_back(parameter->value.item());
  }
  return values;
}

ParameterList<float> one_parameter() {
  return {make_parameter<float>("w", Tensor<float>({2}, {1, 2}))};
}

void check_rejected(const std::string& text, const std::function<void()>& function) {
  refuses<ArgumentError>(text, function);
}

}  // namespace

BOOST_AUTO_TEST_CASE(sgd_by_hand) {
  const auto plain = run(sgd({.learning_rate = 0.5}), {1, 2});
  BOOST_TEST(plain[0] == 0.5, kTight);
  BOOST_TEST(plain[1] == -0.5, kTight);

  // v = -0.5; v = 0.5 (-0.5) - 1 = -1.25
  const auto momentum = run(sgd({.learning_rate = 0.5, .momentum = 0.5}), {1, 2});
  BOOST_TEST(momentum[0] == 0.5, kTight);
  BOOST_TEST(momentum[1] == -0.75, kTight);

  const auto nesterov = run(sgd({.learning_rate = 0.5, .momentum = 0.5, .nesterov = true}), {1, 2});
  BOOST_TEST(nesterov[0] == 1 - 0.25 - 0.5, kTight);
  BOOST_TEST(nesterov[1] == 0.25 - 0.625 - 1, kTight);
}

BOOST_AUTO_TEST_CASE(keras_and_pytorch_momentum_differ_when_the_rate_changes) {
  const Schedule rate = piecewise_constant({.boundaries = {0}, .values = {0.5, 0.25}});
  const auto keras = run(sgd({.learning_rate = rate, .momentum = 0.5}), {1, 2});
  const auto torch = run(sgd({.learning_rate = rate, .momentum = 0.5, .formula = kTorch}), {1, 2});
  BOOST_TEST(keras[1] == 0.5 + 0.5 * -0.5 - 0.25 * 2, kTight);
  BOOST_TEST(torch[1] == 0.5 - 0.25 * (0.5 * 1 + 2), kTight);
}

BOOST_AUTO_TEST_CASE(pytorch_dampening_spares_the_first_gradient_of_each_parameter) {
  const auto early = make_parameter<double>("early", Tensor<double>({1}, {1.0}));
  const auto late = make_parameter<double>("late", Tensor<double>({1}, {1.0}));
  SGD<double> optimizer(
      {early, late}, {.learning_rate = 1, .momentum = 0.5, .dampening = 0.75, .formula = kTorch});
  early->gradient = Tensor<double>({1}, {1.0});
  optimizer.step();
  late->gradient = Tensor<double>({1}, {1.0});
  optimizer.step();
  BOOST_TEST(early->value.item() == 1 - 1 - (0.5 + 0.25), kTight);
  BOOST_TEST(late->value.item() == 0.0, kTight);
}

BOOST_AUTO_TEST_CASE(the_momentum_of_sgd_may_follow_a_schedule) {
  const Schedule momentum = piecewise_constant({.boundaries = {0}, .values = {0.5, 0.25}});
  const auto values = run(sgd({.learning_rate = 1, .momentum = momentum}), {1, 0, 0});
  BOOST_TEST(values[1] == 0 - 0.25, kTight);
  BOOST_TEST(values[2] == -0.25 - 0.0625, kTight);
}

BOOST_AUTO_TEST_CASE(weight_decay_is_decoupled_unless_pytorch_is_asked_for) {
  // With gradient 0 Adam's coupled decay moves by the whole rate, the decoupled by rate * decay.
  const auto keras = run(adam({.learning_rate = 0.1, .weight_decay = 0.01}), {0});
  BOOST_TEST(keras[0] == 1 - 0.1 * 0.01, kTight);
  const auto torch =
      run(adam({.learning_rate = 0.1, .weight_decay = 0.01, .formula = kTorch}), {0});
  BOOST_TEST(torch[0] == 1 - 0.1 * 0.01 / (0.01 + 1e-7), boost::test_tools::tolerance(1e-12));
  const auto torch_adamw =
      run(adamw({.learning_rate = 0.1, .weight_decay = 0.01, .formula = kTorch}), {0});
  BOOST_TEST(torch_adamw[0] == 1 - 0.1 * 0.01, kTight);
  BOOST_TEST(run(adamw({.learning_rate = 0.1}), {0})[0] == 1 - 0.1 * 0.004, kTight);
}

BOOST_AUTO_TEST_CASE(rmsprop_by_hand) {
  const double v = 0.1 * 4;
  BOOST_TEST(run(rmsprop({.learning_rate = 0.5}), {2})[0] == 1 - 0.5 * 2 / std::sqrt(v + 1e-7),
             kTight);
  BOOST_TEST(run(rmsprop({.learning_rate = 0.5, .formula = kTorch}), {2})[0] ==
                 1 - 0.5 * 2 / (std::sqrt(v) + 1e-7),
             kTight);
  const double centered = v - 0.2 * 0.2;
  BOOST_TEST(run(rmsprop({.learning_rate = 0.5, .centered = true}), {2})[0] ==
                 1 - 0.5 * 2 / std::sqrt(centered + 1e-7),
             kTight);
}

BOOST_AUTO_TEST_CASE(centered_rmsprop_survives_a_variance_below_zero) {
  // Equal gradients: v - a^2 tends to 0 from above, and rounding takes it below.
  const auto parameter = make_parameter<float>("w", Tensor<float>({1}, {1.0f}));
  RMSprop<float> optimizer({parameter}, {.learning_rate = 1e-6, .centered = true});
  for (int i = 0; i < 400; ++i) {
    parameter->gradient = Tensor<float>({1}, {1.2345e3f});
    optimizer.step();
    BOOST_REQUIRE(std::isfinite(parameter->value.item()));
  }
}

BOOST_AUTO_TEST_CASE(adam_by_hand) {
  // One step: the moments are g (1 - beta_1) and g^2 (1 - beta_2).
  const double root = std::sqrt(0.001 * 4);
  BOOST_TEST(run(adam({.learning_rate = 0.1}), {2})[0] ==
                 1 - 0.1 * std::sqrt(0.001) / 0.1 * 0.2 / (root + 1e-7),
             kTight);
  BOOST_TEST(
      run(adam({.learning_rate = 0.1, .formula = kTorch}), {2})[0] == 1 - 0.1 * 2 / (2 + 1e-7),
      boost::test_tools::tolerance(1e-13));
}

BOOST_AUTO_TEST_CASE(amsgrad_never_forgets_the_largest_second_moment) {
  const std::vector<double> gradients{10, 0.1, 0.1, 0.1};
  const auto plain = run(adam({.beta_1 = 0, .beta_2 = 0.5}), gradients);
  const auto amsgrad = run(adam({.beta_1 = 0, .beta_2 = 0.5, .amsgrad = true}), gradients);
  BOOST_TEST(std::abs(amsgrad[3] - amsgrad[2]) < std::abs(plain[3] - plain[2]) * 0.75);
}

BOOST_AUTO_TEST_CASE(options_outside_their_range_are_refused_by_optimizer_and_factory) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  check_rejected("[sgd] learning_rate must be finite and at least 0; got -1",
                 [] { sgd({.learning_rate = -1}); });
  check_rejected("[sgd] learning_rate must be finite and at least 0; got -1",
                 [] { SGD<float>(one_parameter(), {.learning_rate = -1}); });
  check_rejected("[adam] learning_rate must be finite and at least 0; got nan",
                 [&] { adam({.learning_rate = nan}); });
  check_rejected("[sgd] momentum must lie in [0, 1]; got 1.5", [] { sgd({.momentum = 1.5}); });
  check_rejected("[sgd] nesterov needs a momentum above 0; got momentum 0",
                 [] { sgd({.nesterov = true}); });
  check_rejected("[sgd] dampening exists only under PyTorch's formula; got 0.5 under Keras'",
                 [] { sgd({.momentum = 0.9, .dampening = 0.5}); });
  check_rejected("[sgd] dampening must lie in [0, 1]; got 2",
                 [] { sgd({.momentum = 0.9, .dampening = 2, .formula = kTorch}); });
  check_rejected("[sgd] nesterov needs dampening 0; got 0.5", [] {
    sgd({.momentum = 0.9, .nesterov = true, .dampening = 0.5, .formula = kTorch});
  });
  check_rejected("[sgd] weight_decay must be finite and at least 0; got -0.1",
                 [] { sgd({.weight_decay = -0.1}); });
  check_rejected("[sgd] clipnorm must be finite and above 0; got 0", [] { sgd({.clipnorm = 0}); });
  check_rejected(
      "[sgd] at most one of clipvalue, clipnorm, global_clipnorm may be given; got clipvalue and "
      "global_clipnorm",
      [] { sgd({.clipvalue = 1, .global_clipnorm = 1}); });
  check_rejected("[sgd] gradient_accumulation_steps must be at least 1; got 0",
                 [] { sgd({.gradient_accumulation_steps = 0}); });
  check_rejected("[sgd] groups['conv*'].learning_rate_factor must be finite and at least 0; got -2",
                 [] { sgd({.groups = {{.pattern = "conv*", .learning_rate_factor = -2}}}); });
  check_rejected("[rmsprop] rho must lie in [0, 1); got 1", [] { rmsprop({.rho = 1}); });
  check_rejected("[rmsprop] epsilon must be finite and above 0; got 0",
                 [] { rmsprop({.epsilon = 0}); });
  check_rejected("[rmsprop] momentum must lie in [0, 1]; got -1",
                 [] { RMSprop<float>(one_parameter(), {.momentum = -1}); });
  check_rejected("[adam] beta_1 must lie in [0, 1); got 1", [] { adam({.beta_1 = 1}); });
  check_rejected("[adam] beta_2 must lie in [0, 1); got -0.5", [] { adam({.beta_2 = -0.5}); });
  check_rejected("[adamw] beta_1 must lie in [0, 1); got nan", [&] { adamw({.beta_1 = nan}); });
  check_rejected("[adam] epsilon must be finite and above 0; got -1",
                 [] { adam({.epsilon = -1}); });
}
