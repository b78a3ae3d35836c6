// Every combination of batch normalization's options against a naive form in the test, and its
// first and second derivative against central differences in double.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/layers/batch_normalization.hpp>

namespace lamina {
namespace {

Tensor<double> drawn(const Shape& shape, const char* path, double mean = 0, double deviation = 1) {
  Tensor<double> values = Tensor<double>::uninitialized(shape);
  Rng(11).stream(path, 0).fill_normal(values.mutable_values(), mean, deviation);
  return values;
}

enum class Correction { none, clipped_renorm, free_renorm, ghost, ghost_with_renorm };
enum class Adjusted { no, per_channel, per_example };

struct Combination {
  std::vector<std::int64_t> axis;
  Correction correction;
  Adjusted adjusted;
  bool center, scale;

  bool renorm() const {
    return correction == Correction::clipped_renorm || correction == Correction::free_renorm ||
           correction == Correction::ghost_with_renorm;
  }
  bool ghost() const {
    return correction == Correction::ghost || correction == Correction::ghost_with_renorm;
  }
  bool allowed() const { return !(ghost() && adjusted != Adjusted::no); }
};

const Shape kInput{4, 3, 5, 2};
constexpr std::int64_t kGhost = 2;
const std::vector<std::vector<std::int64_t>> kAxes = {{-1}, {1}, {2}, {1, 2}, {1, 3}, {-2}};

std::vector<Combination> combinations() {
  std::vector<Combination> all;
  for (const auto& axis : kAxes) {
    for (const auto correction :
         {Correction::none, Correction::clipped_renorm, Correction::free_renorm, Correction::ghost,
          Correction::ghost_with_renorm}) {
      for (const auto adjusted : {Adjusted::no, Adjusted::per_channel, Adjusted::per_example}) {
        for (const int affine : {0, 1, 2, 3}) {
          const Combination c{axis, correction, adjusted, (affine & 1) != 0, (affine & 2) != 0};
          if (c.allowed()) all.push_back(c);
        }
      }
    }
  }
  return all;
}

std::string name_of(const Combination& c) {
  std::string text = "axis";
  for (const auto a : c.axis) text.append(" ").append(std::to_string(a));
  return text + ", correction " + std::to_string(static_cast<int>(c.correction)) + ", adjusted " +
         std::to_string(static_cast<int>(c.adjusted)) + (c.center ? ", center" : "") +
         (c.scale ? ", scale" : "");
}

Shape adjustment_shape(const Combination& c) {
  if (c.adjusted == Adjusted::per_example) return kInput;
  std::vector<std::int64_t> extents(4, 1);
  for (const auto a : c.axis) extents[static_cast<std::size_t>(a < 0 ? a + 4 : a)] = kInput[a];
  return Shape(std::span<const std::int64_t>(extents));
}

// A layer with drawn parameters and statistics. Clips that always bind make r and d constants to
// finite differences too; without clips only the value can be compared.
BatchNormalization<double> layer_of(const Combination& c, Adjustment adjustment) {
  BatchNormalizationOptions options{.axis = c.axis, .center = c.center, .scale = c.scale};
  options.renorm = c.renorm();
  if (c.renorm() && c.correction != Correction::free_renorm) {
    options.renorm_clipping = {.rmax = 0.8, .rmin = 0.8, .dmax = 0};
  }
  if (c.ghost()) options.virtual_batch_size = kGhost;
  options.adjustment = std::move(adjustment);
  BatchNormalization<double> layer(options);
  Rng rng(5);
  layer(drawn(kInput, "x"), {.updates = StateUpdates::discard, .rng = &rng});
  const Shape shape = layer.moving_mean().shape();
  if (c.scale) layer.gamma().assign(drawn(shape, "gamma", 1, 0.3));
  if (c.center) layer.beta().assign(drawn(shape, "beta"));
  layer.moving_mean().assign(drawn(shape, "mean", 0, 0.4));
  Tensor<double> variance = drawn(shape, "variance");
  for (double& v : variance.mutable_values()) v = 0.5 + v * v;
  layer.moving_variance().assign(variance);
  return layer;
}

// The formulas, element by element, from the definition.
class Naive {
 public:
  Naive(const Combination& c, const BatchNormalization<double>& layer, const Tensor<double>& x,
        const Tensor<double>& a, const Tensor<double>& b)
      : c_(c), layer_(layer), x_(x), a_(a), b_(b) {
    for (const auto axis : c.axis) kept_.push_back(static_cast<int>(axis < 0 ? axis + 4 : axis));
  }

  Tensor<double> forward(bool training) const {
    Tensor<double> y = Tensor<double>::uninitialized(kInput);
    for (std::int64_t i = 0; i < x_.size(); ++i) y.mutable_data()[i] = element(i, training);
    return y;
  }

 private:
  std::array<std::int64_t, 4> index_of(std::int64_t i) const {
    std::array<std::int64_t, 4> index{};
    for (int axis = 3; axis >= 0; --axis) {
      index[static_cast<std::size_t>(axis)] = i % kInput[axis];
      i /= kInput[axis];
    }
    return index;
  }
  std::int64_t channel_of(std::int64_t i) const {
    const auto index = index_of(i);
    std::int64_t channel = 0;
    for (int axis = 0; axis < 4; ++axis) {
      if (std::find(kept_.begin(), kept_.end(), axis) == kept_.end()) continue;
      channel = channel * kInput[axis] + index[static_cast<std::size_t>(axis)];
    }
    return channel;
  }
  std::int64_t groups() const { return c_.ghost() ? kInput[0] / kGhost : 1; }

  // Mean and biased variance of a channel in a group; group -1: averages over the groups.
  std::pair<double, double> moments(std::int64_t channel, std::int64_t group) const {
    if (group < 0) {
      double mean = 0, variance = 0;
      for (std::int64_t g = 0; g < groups(); ++g) {
        const auto [m, v] = moments(channel, g);
        mean += m / static_cast<double>(groups());
        variance += v / static_cast<double>(groups());
      }
      return {mean, variance};
    }
    std::vector<double> values;
    for (std::int64_t i = 0; i < x_.size(); ++i) {
      if (channel_of(i) == channel && index_of(i)[0] % groups() == group) {
        values.push_back(x_.data()[i]);
      }
    }
    double mean = 0, variance = 0;
    for (const double v : values) mean += v / static_cast<double>(values.size());
    for (const double v : values) {
      variance += (v - mean) * (v - mean) / static_cast<double>(values.size());
    }
    return {mean, variance};
  }

  double element(std::int64_t i, bool training) const {
    const std::int64_t channel = channel_of(i);
    const double epsilon = layer_.options().epsilon;
    const double gamma = c_.scale ? layer_.gamma().value().data()[channel] : 1;
    const double beta = c_.center ? layer_.beta().value().data()[channel] : 0;
    if (!training) {
      const double mean = layer_.moving_mean().value().data()[channel];
      const double variance = layer_.moving_variance().value().data()[channel];
      return (x_.data()[i] - mean) / std::sqrt(variance + epsilon) * gamma + beta;
    }
    const auto [mean, variance] = moments(channel, index_of(i)[0] % groups());
    double y = (x_.data()[i] - mean) / std::sqrt(variance + epsilon);
    if (c_.renorm()) {
      const auto [whole_mean, whole_variance] = moments(channel, -1);
      // The renorm state is at its start: mean 0, deviation 1.
      double r = std::sqrt(whole_variance + epsilon), d = whole_mean;
      if (c_.correction != Correction::free_renorm) r = 0.8, d = 0;
      y = y * r + d;
    }
    if (c_.adjusted != Adjusted::no) y = y * coefficient(a_, i) + coefficient(b_, i);
    return y * gamma + beta;
  }

  double coefficient(const Tensor<double>& values, std::int64_t i) const {
    const auto index = index_of(i);
    std::int64_t offset = 0;
    for (int axis = 0; axis < 4; ++axis) {
      const std::int64_t extent = values.shape()[axis];
      offset = offset * extent + (extent == 1 ? 0 : index[static_cast<std::size_t>(axis)]);
    }
    return values.data()[offset];
  }

  const Combination& c_;
  const BatchNormalization<double>& layer_;
  const Tensor<double>&x_, &a_, &b_;
  std::vector<int> kept_;
};

void check_value(const Tensor<double>& computed, const Tensor<double>& expected,
                 const std::string& what) {
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double error = std::abs(computed.data()[i] - expected.data()[i]);
    if (error > 1e-12 * std::max(1.0, std::abs(expected.data()[i]))) {
      BOOST_ERROR(what << ": element " << i << " is " << computed.data()[i] << ", expected "
                       << expected.data()[i]);
      return;
    }
  }
}

// The layer as a function of its input, gamma, beta, and the adjustment's scale and bias.
Variable<double> applied(const Combination& c, std::span<const Variable<double>> in,
                         bool training) {
  Adjustment adjustment;
  if (c.adjusted != Adjusted::no) {
    adjustment = [scale = in[1], bias = in[2]](const Shape&) {
      return ScaleAndBias<double>{.scale = scale, .bias = bias};
    };
  }
  BatchNormalization<double> layer = layer_of(c, std::move(adjustment));
  return layer(in[0], {.training = training, .updates = StateUpdates::discard});
}

BOOST_AUTO_TEST_SUITE(batch_normalization_combinations)

BOOST_AUTO_TEST_CASE(every_combination_equals_the_naive_form) {
  int count = 0;
  for (const Combination& c : combinations()) {
    const Tensor<double> x = drawn(kInput, "x", 0.3, 1.7);
    const Tensor<double> a = drawn(adjustment_shape(c), "a", 1, 0.2);
    const Tensor<double> b = drawn(adjustment_shape(c), "b", 0, 0.2);
    const Variable<double> inputs[] = {x, a, b};
    for (const bool training : {true, false}) {
      const BatchNormalization<double> layer = layer_of(c, {});
      check_value(applied(c, inputs, training).value(), Naive(c, layer, x, a, b).forward(training),
                  name_of(c) + (training ? ", training" : ", inference"));
      ++count;
    }
  }
  BOOST_TEST(count == 6 * (3 * 3 + 2) * 4 * 2);
}

BOOST_AUTO_TEST_CASE(derivatives_of_every_combination_agree_with_central_differences) {
  int count = 0;
  for (const Combination& c : combinations()) {
    if (c.correction == Correction::free_renorm) continue;
    if (c.center != c.scale) continue;  // their gradients are checked with the op
    const Tensor<double> x = drawn(kInput, "x", 0.3, 1.7);
    const Tensor<double> a = drawn(adjustment_shape(c), "a", 1, 0.2);
    const Tensor<double> b = drawn(adjustment_shape(c), "b", 0, 0.2);
    for (const bool training : {true, false}) {
      const auto report = gradient_check(
          [&](std::span<const Variable<double>> in) { return applied(c, in, training); }, {x, a, b},
          {.throws = false});
      BOOST_TEST(report.passed, name_of(c) << ": " << report.text);
      ++count;
    }
  }
  BOOST_TEST(count > 100);
}

// Where nothing clips, r and d depend on the batch but must stay constants: the gradient is that of
// an adjustment which carries their values.
BOOST_AUTO_TEST_CASE(renorm_without_clips_differentiates_as_a_frozen_adjustment) {
  const Tensor<double> x = drawn({7, 3}, "x", 0.4, 1.3), dy = drawn({7, 3}, "dy");
  BatchNormalization<double> renormalized({.renorm = true});
  Rng rng(1);
  renormalized(x, {.updates = StateUpdates::discard, .rng = &rng});
  const Moments batch = moments(x, {.outer = 7, .channels = 3});
  Tensor<double> r({3}, 0.0), d({3}, 0.0);
  for (std::int64_t ch = 0; ch < 3; ++ch) {
    r.mutable_data()[ch] = std::sqrt(batch.variance.data()[ch] + 1e-3);
    d.mutable_data()[ch] = batch.mean.data()[ch];
  }
  BatchNormalization<double> frozen(
      {.adjustment = [&](const Shape&) { return ScaleAndBias<double>{.scale = r, .bias = d}; }});
  frozen(x, {.updates = StateUpdates::discard, .rng = &rng});
  const auto gradients = [&](const BatchNormalization<double>& layer) {
    Tape<double> tape;
    const auto input = tape.watch(x);
    const auto y =
        layer(input, {.tape = &tape, .training = true, .updates = StateUpdates::discard});
    return std::pair(y.value(), tape.gradients(y, {input}, {.seed = dy})[0].value());
  };
  const auto [y, dx] = gradients(renormalized);
  const auto [y_frozen, dx_frozen] = gradients(frozen);
  check_value(y, y_frozen, "y");
  check_value(dx, dx_frozen, "dx");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
