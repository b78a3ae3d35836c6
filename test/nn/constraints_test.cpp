// Constraints and regularizers beyond the recorded cases.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/regularizers.hpp>
#include <limits>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();

BOOST_AUTO_TEST_SUITE(constraints_suite)

BOOST_AUTO_TEST_CASE(each_is_made_again_from_its_description) {
  const auto w = random_tensor<double>({3, 5, 2}, 1, -2, 2);
  for (const Constraint& constraint :
       {max_norm(1.5), max_norm(0.5, {0, -1}), unit_norm({1}), non_neg(),
        min_max_norm({.min_value = 0.5, .max_value = 2, .rate = 0.25, .axis = {2, 0}})}) {
    const Description description = constraint.describe();
    BOOST_TEST_CONTEXT(description.name) {
      const Constraint again = Constraint::from(description);
      BOOST_TEST((again.describe().numbers == description.numbers));
      BOOST_TEST(identical(again(w), constraint(w)));
      check_close("float", constraint(w.cast<float>()).cast<double>(), constraint(w), 1e-6);
      BOOST_TEST(constraint(Tensor<float>::zeros({0, 5, 2})).size() == 0);
    }
  }
  BOOST_TEST(!Constraint::from({}));
}

BOOST_AUTO_TEST_CASE(norms_run_over_axes_that_are_not_neighbours) {
  const Shape shape{3, 5, 2};
  const auto w = random_tensor<double>(shape, 1);
  const auto y = unit_norm({0, 2})(w);
  for (std::int64_t b = 0; b < 5; ++b) {
    double squares = 0;
    for (std::int64_t a = 0; a < 3; ++a) {
      for (std::int64_t c = 0; c < 2; ++c) squares += y.at({a, b, c}) * y.at({a, b, c});
    }
    BOOST_TEST(std::abs(std::sqrt(squares) - 1) < 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(nan_is_not_hidden_and_arguments_stay) {
  Tensor<double> w({2}, {kNaN, -1});
  BOOST_TEST(std::isnan(non_neg()(w).at({0})));
  BOOST_TEST(non_neg()(w).at({1}) == 0);
  BOOST_TEST(w.at({1}) == -1);
  BOOST_TEST(std::isnan(max_norm(1)(w).at({1})));
}

BOOST_AUTO_TEST_CASE(numbers_and_axes_are_checked) {
  refuses<ArgumentError>("[max_norm] max_value must be finite and at least 0; got -1",
                         [] { max_norm(-1); });
  refuses<ArgumentError>("[max_norm] axis must name at least one axis; got an empty list",
                         [] { max_norm(1, {}); });
  refuses<ArgumentError>("[unit_norm] axis must name at least one axis; got an empty list",
                         [] { unit_norm({}); });
  refuses<ArgumentError>("[min_max_norm] min_value must be finite and at least 0; got nan",
                         [] { min_max_norm({.min_value = kNaN}); });
  refuses<ArgumentError>("[min_max_norm] max_value must be finite and at least 0; got -2",
                         [] { min_max_norm({.max_value = -2}); });
  refuses<ArgumentError>(
      "[min_max_norm] min_value must not exceed max_value; got min_value 3 and max_value 2",
      [] { min_max_norm({.min_value = 3, .max_value = 2}); });
  refuses<ArgumentError>("[min_max_norm] rate must lie in [0, 1]; got 1.5",
                         [] { min_max_norm({.rate = 1.5}); });
  refuses<ArgumentError>("[min_max_norm] axis must name at least one axis; got an empty list",
                         [] { min_max_norm({.axis = {}}); });
  const auto w = Tensor<float>::ones({2, 3});
  refuses<ArgumentError>("[max_norm] axes must differ; got axis -2 twice", [&] {
    max_norm(1, {0, -2})(w);
  });
  BOOST_CHECK_THROW(unit_norm({2})(w), ArgumentError);
}

BOOST_AUTO_TEST_CASE(descriptions_are_checked) {
  refuses<ArgumentError>("[constraint] the name must be that of a stock constraint; got 'l2'", [] {
    Constraint::from({"l2", {}});
  });
  refuses<ArgumentError>(
      "[constraint] 'max_norm' must come with the number 'max_value'; got none of that name", [] {
        Constraint::from({"max_norm", {{"axis_0", 0}}});
      });
  refuses<ArgumentError>(
      "[constraint] the number 'axis_0' of 'unit_norm' must be an integer; got 0.5", [] {
        Constraint::from({"unit_norm", {{"axis_0", 0.5}}});
      });
  refuses<ArgumentError>(
      "[constraint] 'unit_norm' must come with its own numbers only; got "
      "'axis_2'",
      [] {
        Constraint::from({"unit_norm", {{"axis_0", 0}, {"axis_2", 1}}});
      });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(regularizers_suite)

BOOST_AUTO_TEST_CASE(derivatives_and_descriptions) {
  const auto w = random_tensor<double>({3, 5}, 1);
  for (const Regularizer& regularizer : {l1(0.3), l2(0.2), l1_l2(0.3, 0.2), l1_l2(0, 0)}) {
    const Description description = regularizer.describe();
    BOOST_TEST_CONTEXT(description.name) {
      gradient_check([&](auto x) { return regularizer(x[0]); }, {w});
      const Regularizer again = Regularizer::from(description);
      BOOST_TEST(again(Variable<double>(w)).item() == regularizer(Variable<double>(w)).item());
      BOOST_TEST((again.describe().numbers == description.numbers));
    }
  }
  BOOST_TEST(!Regularizer::from({}));
  BOOST_TEST(l1_l2(0, 0)(Variable<double>(w)).item() == 0);
}

BOOST_AUTO_TEST_CASE(factors_and_descriptions_are_checked) {
  refuses<ArgumentError>("[l1] the factor must be finite and at least 0; got -1", [] { l1(-1); });
  refuses<ArgumentError>("[l2] the factor must be finite and at least 0; got nan",
                         [] { l2(kNaN); });
  refuses<ArgumentError>("[l1_l2] l1_factor must be finite and at least 0; got -2",
                         [] { l1_l2(-2, 0); });
  refuses<ArgumentError>("[l1_l2] l2_factor must be finite and at least 0; got -3",
                         [] { l1_l2(0, -3); });
  refuses<ArgumentError>("[regularizer] the name must be that of a stock regularizer; got 'l3'",
                         [] {
                           Regularizer::from({"l3", {}});
                         });
  refuses<ArgumentError>("[regularizer] 'l2' must come with the number 'l2'; got none of that name",
                         [] {
                           Regularizer::from({"l2", {{"l1", 1}}});
                         });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
