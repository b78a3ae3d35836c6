#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/layers/activations.hpp>
#include <limits>

#include "support/layer_battery.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

// Value and slope of a layer at one number.
template <class Layer>
std::pair<double, double> at(const Layer& layer, double number) {
  Tape<double> tape;
  const auto x = tape.watch(Tensor<double>({1}, {number}));
  auto ctx = Context<double>::for_inference();
  ctx.tape = &tape;
  const auto y = layer(x, ctx);
  return {y.item(), tape.gradients(y, {x})[0].item()};
}

template <class Layer>
void check_at(const Layer& layer, double x, double value, double slope) {
  const auto [y, dy] = at(layer, x);
  BOOST_TEST(std::abs(y - value) < 1e-15, x << " gives " << y << ", expected " << value);
  BOOST_TEST(std::abs(dy - slope) < 1e-15, x << " has slope " << dy << ", expected " << slope);
}

BOOST_AUTO_TEST_SUITE(activations_suite)

BOOST_AUTO_TEST_CASE(battery) {
  const Shape shape{3, 7, 2};
  const LayerCheck wide{.low = -3, .high = 3};
  check_layer<ReLU>({}, shape, wide);
  check_layer<ReLU>({.max_value = 1.5}, shape, wide);
  check_layer<ReLU>({.max_value = 2, .negative_slope = 0.2, .threshold = 0.5}, shape, wide);
  check_layer<ReLU>({.threshold = 0.75}, shape, wide);
  check_layer<LeakyReLU>({}, shape, wide);
  check_layer<LeakyReLU>({.negative_slope = 0.05}, shape, wide);
  check_layer<ELU>({}, shape, wide);
  check_layer<ELU>({.alpha = 0.5}, shape, wide);
  check_layer<GELU>({}, shape, wide);
  check_layer<GELU>({.approximate = true}, shape, wide);
  check_layer<SiLU>({}, shape, wide);
  check_layer<Sigmoid>({}, shape, wide);
  check_layer<Tanh>({}, shape, wide);
  check_layer<Softmax>({}, shape, wide);
  check_layer<Softmax>({.axis = {1, -1}}, shape, wide);
}

BOOST_AUTO_TEST_CASE(the_general_relu) {
  const ReLU<double> plain, capped({.max_value = 6});
  const ReLU<double> general({.max_value = 3, .negative_slope = 0.5, .threshold = 1});
  check_at(plain, 2, 2, 1);
  check_at(plain, -2, 0, 0);
  check_at(plain, 0, 0, 0);
  check_at(capped, 5, 5, 1);
  check_at(capped, 6, 6, 0);
  check_at(capped, 7, 6, 0);
  check_at(capped, -7, 0, 0);
  check_at(general, 2, 2, 1);
  check_at(general, 3, 3, 1);
  check_at(general, 4, 3, 0);
  check_at(general, 0.5, -0.25, 0.5);
  check_at(general, -3, -2, 0.5);
  check_at(general, 1, 0, 0);
  check_at(ReLU<double>({.max_value = 4}), 4, 4, 1);
  check_at(ReLU<double>({.max_value = 4, .negative_slope = 0.5}), 0, 0, 0);
  check_at(ReLU<double>({.negative_slope = 0.5}), 0, 0, 0.5);
  check_at(ReLU<double>({.max_value = 6, .threshold = 1}), 6, 6, 1);
  check_at(ReLU<double>({.max_value = 6, .negative_slope = 0.5}), 6, 6, 0);
}

BOOST_AUTO_TEST_CASE(nan_stays_and_infinity_is_met) {
  for (const ReLUOptions& options :
       {ReLUOptions{}, ReLUOptions{.max_value = 6}, ReLUOptions{.negative_slope = 0.1},
        ReLUOptions{.threshold = 1}}) {
    const ReLU<double> layer(options);
    BOOST_TEST(std::isnan(at(layer, kNaN).first));
    BOOST_TEST(at(layer, kInfinity).first == options.max_value.value_or(kInfinity));
    BOOST_TEST(at(layer, -kInfinity).first == (options.negative_slope > 0 ? -kInfinity : 0));
  }
}

BOOST_AUTO_TEST_CASE(defaults_are_keras) {
  check_at(LeakyReLU<double>(), -2, -0.6, 0.3);
  check_at(ELU<double>(), -2, std::expm1(-2.), std::exp(-2.));
  check_at(ELU<double>({.alpha = 0.5}), -2, 0.5 * std::expm1(-2.), 0.5 * std::exp(-2.));
  BOOST_TEST(std::abs(at(GELU<double>(), 1).first - 0.5 * (1 + std::erf(std::sqrt(0.5)))) < 1e-15);
  const auto y = applied(Softmax<double>(), random_tensor<double>({3, 5}, 1));
  for (std::int64_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < 5; ++j) sum += y.at({i, j});
    BOOST_TEST(std::abs(sum - 1) < 1e-15);
  }
}

BOOST_AUTO_TEST_CASE(types_and_names) {
  BOOST_TEST(ReLU<float>().type() == "relu");
  BOOST_TEST(LeakyReLU<float>().type() == "leaky_relu");
  BOOST_TEST(ELU<float>().type() == "elu");
  BOOST_TEST(GELU<float>().type() == "gelu");
  BOOST_TEST(SiLU<float>().type() == "silu");
  BOOST_TEST(Sigmoid<float>().type() == "sigmoid");
  BOOST_TEST(Tanh<float>().type() == "tanh");
  BOOST_TEST(Softmax<float>({.name = "probabilities"}).name() == "probabilities");
}

BOOST_AUTO_TEST_CASE(options_are_checked) {
  refuses<ArgumentError>("[relu] max_value must be finite and at least 0; got -1",
                         [] { ReLU<float>({.max_value = -1}); });
  refuses<ArgumentError>("[relu] negative_slope must be finite and at least 0; got nan",
                         [] { ReLU<float>({.negative_slope = kNaN}); });
  refuses<ArgumentError>("[relu] threshold must be finite and at least 0; got -0.5",
                         [] { ReLU<float>({.threshold = -0.5}); });
  refuses<ArgumentError>(
      "[relu] max_value must be at least threshold; got max_value 1 and threshold 2",
      [] { ReLU<float>({.max_value = 1, .threshold = 2}); });
  refuses<ArgumentError>("[leaky_relu] negative_slope must be finite and at least 0; got -1",
                         [] { LeakyReLU<float>({.negative_slope = -1}); });
  refuses<ArgumentError>("[elu] alpha must be finite; got inf",
                         [] { ELU<float>({.alpha = kInfinity}); });
  refuses<ArgumentError>("[softmax] axis must name at least one axis; got an empty list",
                         [] { Softmax<float>({.axis = {}}); });
  refuses<ArgumentError>("[softmax] axes must lie in [-8, 8); got axis 9",
                         [] { Softmax<float>({.axis = {9}}); });
  BOOST_CHECK_THROW(applied(Softmax<double>({.axis = {2}}), Tensor<double>::ones({2, 2})),
                    ArgumentError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
