// First and second derivative of batch normalization, in its input, gamma, beta and an adjustment's
// scale and bias, against central differences in double, for the combinations of its options. Where
// renorm's correction does not clip it depends on the batch and yet is a constant to the
// derivative: there the derivatives are those of an affine map that carries the correction's
// values.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/gradient_check.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>

#include "layers/batch_normalization_cases.hpp"
#include "support/numbers.hpp"

namespace lamina::test {
namespace {

const Shape kInput{4, 2, 3, 2};  // two ghost batches of two

using Variables = std::span<const Variable<double>>;

// A layer as a function of (x, gamma, beta, a, b), of these what it has.
class AsFunction {
 public:
  AsFunction(const Combination& c, Mode mode, BatchNormalizationOptions options,
             Tensor<double> mask = {})
      : layer_(drawn_layer<double>(options, kInput)),
        training_(mode != Mode::inference),
        mask_(std::move(mask)) {
    inputs_.push_back(drawn<double>(kInput, "x", 0.3, 1.7));
    for (const auto& parameter : layer_.parameters()) inputs_.push_back(parameter->value);
    // Not the layer's own switch alone: gamma and beta are to be differentiated all the same.
    if (mode == Mode::frozen) {
      layer_.freeze();
      layer_.set_trainable(true);
    }
    if (c.adjusted == Adjusted::no) return;
    inputs_.push_back(drawn<double>(c.adjustment_shape(kInput), "a", 1, 0.2));
    inputs_.push_back(drawn<double>(c.adjustment_shape(kInput), "b", 0, 0.2));
  }

  const std::vector<Tensor<double>>& inputs() const { return inputs_; }
  BatchNormalization<double>& layer() { return layer_; }

  // The variables take the place of the parameters, as leaves of their tape.
  Variable<double> operator()(Variables in) {
    Tape<double>* tape = nullptr;
    for (const auto& value : in) {
      if (value.tracked()) tape = static_cast<Tape<double>*>(value.anchor().slot->tape);
    }
    std::size_t next = 1;
    for (const auto& parameter : layer_.parameters()) {
      parameter->value = in[next].value();
      parameter->anchor = in[next++].anchor();
    }
    if (next < in.size()) adjustment_ = {.scale = in[next], .bias = in[next + 1]};
    return layer_(in[0], {.tape = tape, .training = training_, .updates = StateUpdates::discard},
                  {.mask = mask_});
  }
  // What the layer's adjustment returns.
  const ScaleAndBias<double>& adjustment() const { return adjustment_; }

 private:
  BatchNormalization<double> layer_;
  bool training_;
  Tensor<double> mask_;
  std::vector<Tensor<double>> inputs_;
  ScaleAndBias<double> adjustment_;
};

void check_derivatives(const Combination& c, Mode mode, const Tensor<double>& mask = {}) {
  std::unique_ptr<AsFunction> function;
  Adjustment adjustment;
  if (c.adjusted != Adjusted::no) {
    adjustment = [&function](const Shape&) { return function->adjustment(); };
  }
  BatchNormalizationOptions options = c.options(adjustment);
  // Bounds that bind at every channel make r and d constants to finite differences too.
  if (c.clipped_renorm()) options.renorm_clipping = {.rmax = 0.8, .rmin = 0.8, .dmax = 0.001};
  function = std::make_unique<AsFunction>(c, mode, options, mask);
  const auto report = gradient_check([&](Variables in) { return (*function)(in); },
                                     function->inputs(), {.throws = false});
  BOOST_TEST(report.passed, c.name() << ", mode " << static_cast<int>(mode) << ": " << report.text);
}

BOOST_AUTO_TEST_SUITE(batch_normalization_derivatives)

BOOST_AUTO_TEST_CASE(of_every_combination_agree_with_central_differences) {
  int count = 0;
  for (const auto& axis : kAxes) {
    for (const auto correction : {Correction::none, Correction::clipped_renorm, Correction::ghost,
                                  Correction::ghost_with_clipped_renorm}) {
      for (const auto adjusted : kAdjusted) {
        for (const int affine : {0, 1, 2, 3}) {
          const Combination c{axis, correction, adjusted, (affine & 1) != 0, (affine & 2) != 0};
          if (c.forbidden()) continue;
          for (const Mode mode : kModes) {
            check_derivatives(c, mode);
            ++count;
          }
        }
      }
    }
  }
  BOOST_TEST(count == (9 * 2 * 3 + 7 * 2) * 4 * 3);
}

// The last mask leaves a ghost batch without weight: its statistics are constants.
BOOST_AUTO_TEST_CASE(with_masks_agree_with_central_differences) {
  const Tensor<double> examples({4}, {1, 0.5, 2, 0}), columns({1, 2}, {0.5, 2});
  const Tensor<double> half({4}, {1, 0, 0.5, 0});
  for (const auto& axis : kAxes) {
    for (const auto correction : {Correction::none, Correction::clipped_renorm, Correction::ghost,
                                  Correction::ghost_with_clipped_renorm}) {
      for (const auto adjusted : kAdjusted) {
        const Combination c{axis, correction, adjusted};
        if (c.forbidden()) continue;
        check_derivatives(c, Mode::training, c.keeps_batch_axis() ? columns : examples);
        if (c.ghost()) check_derivatives(c, Mode::training, half);
      }
    }
  }
}

// y = ((x_hat r + d) a + b) gamma + beta from ops, with given r and d.
Variable<double> composed(const Combination& c, const ScaleAndBias<double>& frozen,
                          BatchNormalization<double>& plain, Variables in) {
  Tape<double>* tape = static_cast<Tape<double>*>(in[0].anchor().slot->tape);
  Variable<double> y =
      plain(in[0], {.tape = tape, .training = true, .updates = StateUpdates::discard});
  y = y * frozen.scale + frozen.bias;
  if (c.adjusted != Adjusted::no) y = y * in[3] + in[4];
  const Shape shape = frozen.scale.shape();
  return y * reshape(in[1], shape) + reshape(in[2], shape);
}

// The gradients in all inputs, and the gradients of a sum over these.
std::vector<Variable<double>> two_orders(
    const std::vector<Tensor<double>>& inputs,
    const std::function<Variable<double>(Variables)>& function) {
  Tape<double> tape;
  std::vector<Variable<double>> in;
  for (const auto& input : inputs) in.push_back(tape.watch(input));
  const auto seed = drawn<double>(kInput, "dy");
  auto results = tape.gradients(function(in), in, {.create_graph = true, .seed = seed});
  Variable<double> total(Tensor<double>::scalar(0));
  for (std::size_t k = 0; k < in.size(); ++k) {
    total = total + sum(results[k] * drawn<double>(in[k].shape(), "v" + std::to_string(k)));
  }
  for (auto& second : tape.gradients(total, in)) results.push_back(second);
  return results;
}

BOOST_AUTO_TEST_CASE(of_renorm_without_clips_are_those_of_a_frozen_correction) {
  int count = 0;
  for (const auto& axis : kAxes) {
    for (const auto correction : {Correction::free_renorm, Correction::ghost_with_free_renorm}) {
      for (const auto adjusted : kAdjusted) {
        const Combination c{axis, correction, adjusted};
        if (c.forbidden()) continue;
        AsFunction* layer = nullptr;
        Adjustment adjustment;
        if (adjusted != Adjusted::no) {
          adjustment = [&layer](const Shape&) { return layer->adjustment(); };
        }
        AsFunction renormalized(c, Mode::training, c.options(adjustment));
        layer = &renormalized;

        const Combination per_channel{axis, correction, Adjusted::per_channel};
        Tensor<double> r = Tensor<double>::uninitialized(per_channel.adjustment_shape(kInput));
        Tensor<double> d = r;
        const NaiveBatchNormalization naive(
            c.options(), kInput, state_in_double<double>(renormalized.layer()), DType::float64);
        std::int64_t channel = 0;
        for (const auto& [scale, bias] : naive.corrections(renormalized.inputs()[0])) {
          r.mutable_data()[channel] = scale;
          d.mutable_data()[channel++] = bias;
        }
        BatchNormalization<double> plain =
            drawn_layer<double>({.axis = axis,
                                 .center = false,
                                 .scale = false,
                                 .virtual_batch_size = c.options().virtual_batch_size},
                                kInput);

        const auto computed =
            two_orders(renormalized.inputs(), [&](Variables in) { return renormalized(in); });
        const auto expected = two_orders(renormalized.inputs(), [&](Variables in) {
          return composed(c, {.scale = r, .bias = d}, plain, in);
        });
        for (std::size_t k = 0; k < expected.size(); ++k) {
          check_close(c.name() + ", derivative " + std::to_string(k), computed[k].value(),
                      expected[k].value(), 1e-11);
        }
        ++count;
      }
    }
  }
  BOOST_TEST(count == 9 * 3 + 7);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
