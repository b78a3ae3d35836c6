#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/optim/adam.hpp>
#include <lamina/optim/clipping.hpp>
#include <lamina/optim/sgd.hpp>
#include <limits>

#include "optim/support.hpp"
#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

// Gradients (3, 4) and (12): norms 5 and 12, global norm 13.
ParameterList<double> pythagoras() {
  ParameterList<double> parameters{make_parameter<double>("a", Tensor<double>({2}, {0, 0})),
                                   make_parameter<double>("b", Tensor<double>({1}, {0})),
                                   make_parameter<double>("idle", Tensor<double>({1}, {7}))};
  parameters[0]->gradient = Tensor<double>({2}, {3, 4});
  parameters[1]->gradient = Tensor<double>({1}, {12});
  return parameters;
}

void check_gradients(const ParameterList<double>& p, double a0, double a1, double b) {
  check_close("a", p[0]->gradient, Tensor<double>({2}, {a0, a1}), 1e-14);
  check_close("b", p[1]->gradient, Tensor<double>({1}, {b}), 1e-14);
  BOOST_TEST(!p[2]->gradient.defined());
}

// What one step of plain SGD at rate 1 subtracts.
void check_steps(const SGDOptions& options, double a0, double a1, double b) {
  const auto p = pythagoras();
  SGD<double> optimizer(p, options);
  optimizer.step();
  check_close("a", p[0]->value, Tensor<double>({2}, {-a0, -a1}), 1e-14);
  check_close("b", p[1]->value, Tensor<double>({1}, {-b}), 1e-14);
  check_close("idle", p[2]->value, Tensor<double>({1}, {7}), 0);
}

}  // namespace

BOOST_AUTO_TEST_CASE(clipping_by_value) {
  const auto p = pythagoras();
  clip_gradients_by_value(p, -1, 3.5);
  check_gradients(p, 3, 3.5, 3.5);
  clip_gradients_by_value(p, 3.2, 9);
  check_gradients(p, 3.2, 3.5, 3.5);
  check_steps({.learning_rate = 1, .clipvalue = 3.5}, 3, 3.5, 3.5);
}

BOOST_AUTO_TEST_CASE(clipping_by_norm_looks_at_each_gradient) {
  const auto p = pythagoras();
  clip_gradients_by_norm(p, 6);
  check_gradients(p, 3, 4, 6);
  check_steps({.learning_rate = 1, .clipnorm = 6}, 3, 4, 6);
}

BOOST_AUTO_TEST_CASE(clipping_by_global_norm_looks_at_all_together) {
  const auto p = pythagoras();
  BOOST_TEST(clip_gradients_by_global_norm(p, 6.5) == 13.0);
  check_gradients(p, 1.5, 2, 6);
  check_steps({.learning_rate = 1, .global_clipnorm = 6.5}, 1.5, 2, 6);
  const double torch = 6.5 / (13 + 1e-6);
  check_steps({.learning_rate = 1, .global_clipnorm = 6.5, .formula = OptimizerFormula::pytorch},
              3 * torch, 4 * torch, 12 * torch);
}

BOOST_AUTO_TEST_CASE(a_parameter_given_twice_is_clipped_once) {
  auto p = pythagoras();
  p.push_back(p.front());
  BOOST_TEST(clip_gradients_by_global_norm(p, 6.5) == 13.0);
  check_gradients(p, 1.5, 2, 6);
}

BOOST_AUTO_TEST_CASE(norms_of_other_orders) {
  const auto p = pythagoras();
  const double infinity = std::numeric_limits<double>::infinity();
  BOOST_TEST(clip_gradients_by_global_norm(p, 100, {.order = 1}) == 19.0);
  BOOST_TEST(clip_gradients_by_global_norm(p, 100, {.order = infinity}) == 12.0);
  BOOST_TEST(clip_gradients_by_global_norm(p, 100, {.order = 3}) == std::cbrt(27.0 + 64 + 1728),
             boost::test_tools::tolerance(1e-14));
  check_gradients(p, 3, 4, 12);
}

BOOST_AUTO_TEST_CASE(a_gradient_of_zeros_stays) {
  const auto p = pythagoras();
  for (const auto& parameter : p)
    parameter->gradient = Tensor<double>::zeros(parameter->value.shape());
  BOOST_TEST(clip_gradients_by_global_norm(p, 1) == 0.0);
  clip_gradients_by_norm(p, 1);
  check_close("a", p[0]->gradient, Tensor<double>({2}, {0, 0}), 0);
}

BOOST_AUTO_TEST_CASE(a_nan_is_passed_on_and_makes_the_norm_nan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double order : {1.0, 2.0, 3.0, std::numeric_limits<double>::infinity()}) {
    const auto p = pythagoras();
    p[0]->gradient = Tensor<double>({2}, {nan, 4});
    BOOST_TEST(std::isnan(clip_gradients_by_global_norm(p, 1, {.order = order})));
    BOOST_TEST(std::isnan(p[0]->gradient.data()[0]));
    BOOST_TEST(p[1]->gradient.item() == 12.0);
  }
  const auto p = pythagoras();
  p[0]->gradient = Tensor<double>({2}, {nan, 4});
  SGD<double> optimizer(p, {.learning_rate = 1, .clipvalue = 1});
  optimizer.step();
  BOOST_TEST(std::isnan(p[0]->value.data()[0]));
}

// More elements than one tile: the tiles' sums must all count, in float too.
BOOST_AUTO_TEST_CASE(norms_over_many_tiles_in_any_number_of_threads) {
  const int former = threads();
  Tensor<float> expected_value;
  for (const int count : {1, 2}) {
    set_threads(count);
    const auto parameter = make_parameter<float>("w", Tensor<float>::zeros({307, 509}));
    parameter->gradient = random_tensor<float>({307, 509}, 5);
    double squares = 0;
    for (const float g : parameter->gradient.values()) squares += double{g} * double{g};
    SGD<float> optimizer({parameter}, {.learning_rate = 1, .global_clipnorm = 1.5});
    optimizer.step();
    double clipped = 0;
    for (const float g : parameter->value.values()) clipped += double{g} * double{g};
    BOOST_TEST(std::sqrt(clipped) == 1.5, boost::test_tools::tolerance(1e-6));
    BOOST_TEST(clip_gradients_by_global_norm<float>({parameter}, 1.5) == std::sqrt(squares),
               boost::test_tools::tolerance(1e-12));
    if (expected_value.defined()) BOOST_TEST(identical(parameter->value, expected_value));
    expected_value = parameter->value;
  }
  set_threads(former);
}

BOOST_AUTO_TEST_CASE(clipping_refuses_limits_that_mean_nothing) {
  const auto p = pythagoras();
  refuses<ArgumentError>("[clip_gradients_by_norm] limit must be finite and above 0; got -1",
                         [&] { clip_gradients_by_norm(p, -1); });
  refuses<ArgumentError>("[clip_gradients_by_global_norm] limit must be finite and above 0; got 0",
                         [&] { clip_gradients_by_global_norm(p, 0); });
  refuses<ArgumentError>("[clip_gradients_by_global_norm] order must be at least 1; got 0.5",
                         [&] { clip_gradients_by_global_norm(p, 1, {.order = 0.5}); });
  refuses<ArgumentError>("[clip_gradients_by_value] minimum must not exceed maximum; got 2 and 1",
                         [&] { clip_gradients_by_value(p, 2, 1); });
  auto broken = p;
  broken.push_back(nullptr);
  const auto names_null = [&](const std::string& who, auto clip) {
    refuses<ArgumentError>("[" + who + "] parameters must not be null; got a null pointer", clip);
  };
  names_null("clip_gradients_by_value", [&] { clip_gradients_by_value(broken, -1, 1); });
  names_null("clip_gradients_by_norm", [&] { clip_gradients_by_norm(broken, 1); });
  names_null("clip_gradients_by_global_norm", [&] { clip_gradients_by_global_norm(broken, 1); });
  check_gradients(p, 3, 4, 12);
}
