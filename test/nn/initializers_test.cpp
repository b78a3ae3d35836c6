#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/nn/initializers.hpp>
#include <limits>

#include "support/numbers.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

template <Scalar T>
Tensor<T> draw(const Initializer& initializer, const Shape& shape, std::uint64_t seed = 1) {
  return initializer.operator()<T>(shape, Rng(seed).stream("w", 0));
}

const std::vector<Initializer> kAll{
    zeros(),
    ones(),
    constant(0.1),
    identity(0.7),
    uniform(-0.3, 0.2),
    normal(0.1, 0.2),
    truncated_normal(0.1, 0.2),
    variance_scaling(
        {.scale = 1.5, .mode = FanMode::fan_out, .distribution = Distribution::uniform}),
    glorot_uniform(),
    glorot_normal(),
    he_uniform(),
    he_normal(),
    lecun_uniform(),
    lecun_normal(),
    orthogonal(1.25)};

BOOST_AUTO_TEST_SUITE(initializers_suite)

BOOST_AUTO_TEST_CASE(each_is_made_again_from_its_description) {
  for (const Initializer& initializer : kAll) {
    const Description description = initializer.describe();
    BOOST_TEST_CONTEXT(description.name) {
      const Initializer again = Initializer::from(description);
      BOOST_TEST(again.describe().name == description.name);
      BOOST_TEST((again.describe().numbers == description.numbers));
      BOOST_TEST(identical(draw<double>(again, {3, 5}), draw<double>(initializer, {3, 5})));
    }
  }
  BOOST_TEST(!Initializer::from({}));
}

BOOST_AUTO_TEST_CASE(float_is_double_rounded) {
  for (const Initializer& initializer : kAll) {
    BOOST_TEST_CONTEXT(initializer.describe().name) {
      check_close("float", draw<float>(initializer, {7, 5}).cast<double>(),
                  draw<double>(initializer, {7, 5}), 2e-7);
    }
  }
}

BOOST_AUTO_TEST_CASE(values_depend_on_the_stream) {
  for (const Initializer& initializer : kAll) {
    const bool random = initializer.describe().numbers.empty()
                            ? initializer.describe().name.size() > 5
                            : initializer.describe().name != "constant" &&
                                  initializer.describe().name != "identity";
    BOOST_TEST_CONTEXT(initializer.describe().name) {
      const auto a = draw<double>(initializer, {3, 5});
      BOOST_TEST(identical(a, draw<double>(initializer, {3, 5})));
      BOOST_TEST(identical(a, draw<double>(initializer, {3, 5}, 2)) == !random);
    }
  }
}

BOOST_AUTO_TEST_CASE(empty_and_scalar_shapes) {
  for (const Initializer& initializer : kAll) {
    BOOST_TEST_CONTEXT(initializer.describe().name) {
      BOOST_TEST(draw<float>(initializer, {0, 3}).size() == 0);
      BOOST_TEST(draw<float>(initializer, {3, 0}).size() == 0);
      BOOST_TEST(draw<float>(initializer, {1, 1}).size() == 1);
    }
  }
  BOOST_TEST(draw<double>(ones(), {}).item() == 1);
  BOOST_TEST(std::isfinite(draw<double>(glorot_uniform(), {}).item()));
}

BOOST_AUTO_TEST_CASE(the_orthogonal_one_is_orthogonal_at_any_size) {
  for (const Shape& shape : {Shape{1, 7}, Shape{7, 1}, Shape{2, 3, 5, 31}, Shape{64, 67}}) {
    const auto q = draw<double>(orthogonal(2), shape);
    const std::int64_t columns = shape[-1], rows = shape.size() / columns;
    const bool tall = rows >= columns;
    const std::int64_t vectors = tall ? columns : rows, length = tall ? rows : columns;
    const std::int64_t along = tall ? columns : 1, across = tall ? 1 : columns;
    double worst = 0;
    for (std::int64_t a = 0; a < vectors; ++a) {
      for (std::int64_t b = 0; b < vectors; ++b) {
        double product = 0;
        for (std::int64_t i = 0; i < length; ++i) {
          product += q.data()[a * across + i * along] * q.data()[b * across + i * along];
        }
        worst = std::max(worst, std::abs(product - (a == b ? 4 : 0)));
      }
    }
    BOOST_TEST(worst < 1e-12, shape.to_string() << ": " << worst);
  }
}

// The columns of R's diagonal are made positive: otherwise Householder's QR always gives the same
// signs, and the mean of the first element over many matrices is far from 0.
BOOST_AUTO_TEST_CASE(the_orthogonal_one_has_no_preferred_direction) {
  double sum = 0;
  const int count = 2000;
  for (int seed = 0; seed < count; ++seed) {
    sum += draw<double>(orthogonal(), {3, 3}, static_cast<std::uint64_t>(seed)).at({0, 0});
  }
  // The element has variance 1 / 3.
  BOOST_TEST(std::abs(sum / count) < 4 * std::sqrt(1.0 / 3 / count));
}

BOOST_AUTO_TEST_CASE(numbers_are_checked) {
  refuses<ArgumentError>("[constant] value must be finite; got nan", [] { constant(kNaN); });
  refuses<ArgumentError>("[constant] value must be finite; got nan", [] { constant(-kNaN); });
  refuses<ArgumentError>("[identity] gain must be finite; got inf", [] { identity(kInfinity); });
  refuses<ArgumentError>("[orthogonal] gain must be finite; got -inf",
                         [] { orthogonal(-kInfinity); });
  refuses<ArgumentError>("[uniform] low must be finite; got nan", [] { uniform(kNaN, 1); });
  refuses<ArgumentError>("[uniform] high must be finite; got inf", [] { uniform(0, kInfinity); });
  refuses<ArgumentError>("[uniform] low must not exceed high; got low 0.5 and high 0.25",
                         [] { uniform(0.5, 0.25); });
  refuses<ArgumentError>("[normal] mean must be finite; got nan", [] { normal(kNaN, 1); });
  refuses<ArgumentError>("[normal] deviation must be finite and at least 0; got -1",
                         [] { normal(0, -1); });
  refuses<ArgumentError>("[truncated_normal] deviation must be finite and at least 0; got nan",
                         [] { truncated_normal(0, kNaN); });
  refuses<ArgumentError>("[variance_scaling] scale must be finite and at least 0; got -0.5",
                         [] { variance_scaling({.scale = -0.5}); });
}

BOOST_AUTO_TEST_CASE(ranks_are_checked) {
  refuses<ShapeError>("[identity] the shape must have 2 axes; got (2, 2, 2)", [] {
    draw<float>(identity(), {2, 2, 2});
  });
  refuses<ShapeError>("[orthogonal] the shape must have at least 2 axes; got (3)",
                      [] { draw<float>(orthogonal(), {3}); });
}

BOOST_AUTO_TEST_CASE(descriptions_are_checked) {
  refuses<ArgumentError>("[initializer] the name must be that of a stock initializer; got 'glorot'",
                         [] {
                           Initializer::from({"glorot", {}});
                         });
  refuses<ArgumentError>(
      "[initializer] 'normal' must come with the number 'deviation'; got none of that name", [] {
        Initializer::from({"normal", {{"mean", 0}}});
      });
  refuses<ArgumentError>("[initializer] 'zeros' must come with its own numbers only; got 'value'",
                         [] {
                           Initializer::from({"zeros", {{"value", 0}}});
                         });
  refuses<ArgumentError>(
      "[initializer] the number 'mode' of 'variance_scaling' must be an integer in [0, 3); got 1.5",
      [] {
        Initializer::from({"variance_scaling", {{"scale", 1}, {"mode", 1.5}, {"distribution", 0}}});
      });
  refuses<ArgumentError>("[normal] deviation must be finite and at least 0; got -1", [] {
    Initializer::from({"normal", {{"mean", 0}, {"deviation", -1}}});
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
