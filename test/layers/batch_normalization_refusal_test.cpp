// What batch normalization refuses: the type of the error, the moment, the whole text with the path
// of the module; and that afterwards everything is as it was, in a network that was never built and
// in one in the midst of its training. Options that no input could satisfy:
// batch_normalization_test.cpp.
#include <boost/test/unit_test.hpp>
#include <lamina/nn/sequential.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <stdexcept>

#include "layers/batch_normalization_cases.hpp"
#include "support/option_store.hpp"
#include "support/refusal.hpp"

namespace lamina::test {
namespace {

using Layer = BatchNormalization<double>;
using Call = BatchNormalizationCall<double>;

// A layer with nothing to find fault with, then a block with the one under test.
class Network : public Module<double> {
 public:
  explicit Network(const BatchNormalizationOptions& options) : bn(options) {}

  Layer first{{.axis = {-1}}};
  Layer bn;
  Call call = {};

  void visit(Visitor<double>& v) override {
    v("first", first);
    v("block.bn", bn);
  }
  Variable<double> forward(const Variable<double>& x, const Context<double>& ctx) const override {
    return bn(x.shape().rank() > 0 ? first(x, ctx) : x, ctx, call);
  }
  std::string type() const override { return "network"; }
};

// Parameters, buffers, counters, gradients and options.
struct Everything {
  explicit Everything(Network& net) : state(state_of<double>(net)) {
    for (const auto& parameter : net.parameters()) gradients.push_back(parameter->gradient);
    for (Layer* layer : {&net.first, &net.bn}) {
      trainable.push_back(layer->gamma().trainable());
      const auto& o = layer->options();
      numbers.insert(numbers.end(), o.axis.begin(), o.axis.end());
      numbers.push_back(o.virtual_batch_size.value_or(-1));
      numbers.push_back(o.fused.value_or(true));
    }
  }
  bool operator==(const Everything& other) const {
    return identical(state, other.state) && trainable == other.trainable &&
           numbers == other.numbers &&
           std::equal(gradients.begin(), gradients.end(), other.gradients.begin(),
                      other.gradients.end(),
                      [](const auto& a, const auto& b) { return identical(a, b); });
  }

  StateDict state;
  std::vector<Tensor<double>> gradients;
  std::vector<bool> trainable;
  std::vector<std::int64_t> numbers;
};

void train(Network& net, const Tensor<double>& x) {
  Tape<double> tape;
  Rng rng(1);
  const auto y = net(x, Context<double>::for_training(tape, rng));
  tape.backward(y, {.seed = Tensor<double>(y.shape(), 1.0)});
}

// The call with `x` must fail as said: as the first one of a network, where that makes sense, and
// after training with `good`.
template <class Failure>
void check_call(const BatchNormalizationOptions& options, const Tensor<double>& x,
                const std::string& text, const std::optional<Tensor<double>>& good,
                const Call& call = {}, Context<double> ctx = {.training = true},
                bool also_first = true) {
  BOOST_TEST_CONTEXT(text) {
    Rng rng(1);
    ctx.rng = &rng;
    if (also_first) {
      Network fresh(options);
      fresh.call = call;
      refuses<Failure>(text, [&] { fresh(x, ctx); });
      BOOST_TEST(!fresh.first.built());
      BOOST_TEST(!fresh.bn.built());
      BOOST_TEST(fresh.first.statistics().updates().value() == 0);
    }
    if (!good) return;
    Network net(options);
    train(net, *good);
    train(net, *good);
    const Everything before(net);
    net.call = call;
    refuses<Failure>(text, [&] { net(x, ctx); });
    BOOST_TEST((Everything(net) == before));
    // And it goes on as if nothing had been.
    Network other(options);
    for (int i = 0; i < 3; ++i) train(other, *good);
    net.call = {};
    train(net, *good);
    BOOST_TEST(identical(state_of<double>(net), state_of<double>(other)));
  }
}

Tensor<double> input(const Shape& shape) { return drawn<double>(shape, "x", 1, 2); }

BOOST_AUTO_TEST_SUITE(batch_normalization_refusals)

BOOST_AUTO_TEST_CASE(inputs_that_do_not_fit_the_axes) {
  check_call<ShapeError>({}, Tensor<double>::scalar(1),
                         "[block.bn] the input must have at least one axis; got a scalar",
                         input({4, 3}));
  check_call<ShapeError>({.axis = {2}}, input({4, 3}),
                         "[block.bn] axis must lie in [-2, 2); got axis 2 for input (4, 3)",
                         std::nullopt);
  check_call<ShapeError>({.axis = {-3}}, input({4, 3}),
                         "[block.bn] axis must lie in [-2, 2); got axis -3 for input (4, 3)",
                         std::nullopt);
  check_call<ShapeError>({.axis = {1, 3}}, input({4, 3, 2}),
                         "[block.bn] axis must lie in [-3, 3); got axis 3 for input (4, 3, 2)",
                         input({4, 3, 5, 2}));
  check_call<ShapeError>({.axis = {1, 2, 1}}, input({4, 3, 2, 2}),
                         "[block.bn] axes must differ; got one axis twice for input (4, 3, 2, 2)",
                         std::nullopt);
  // Not the same in every rank.
  check_call<ShapeError>(
      {.axis = {-4, 1}}, input({4, 3, 2, 2, 2}),
      "[block.bn] axes must differ; got one axis twice for input (4, 3, 2, 2, 2)",
      input({4, 3, 2, 2}).reshaped({4, 3, 2, 2}));
}

BOOST_AUTO_TEST_CASE(inputs_that_do_not_fit_the_parameters) {
  check_call<ShapeError>({.axis = {1}}, input({4, 5, 2}),
                         "[block.bn] axis 1 must have 3 channels; got input (4, 5, 2)",
                         input({4, 3, 2}), {}, {.training = true}, false);
  check_call<ShapeError>({.axis = {1}}, input({4, 5, 2}),
                         "[block.bn] axis 1 must have 3 channels; got input (4, 5, 2)",
                         input({4, 3, 2}), {}, {}, false);
  check_call<ShapeError>({.axis = {1, 3}}, input({4, 3, 5, 7, 2}),
                         "[block.bn] the input must give parameters of shape (1, 3, 1, 2); got "
                         "input (4, 3, 5, 7, 2), which gives (1, 3, 1, 7, 1)",
                         input({4, 3, 5, 2}), {}, {.training = true}, false);
}

BOOST_AUTO_TEST_CASE(ghost_batches_that_do_not_fit) {
  for (const bool renorm : {false, true}) {
    check_call<ShapeError>({.renorm = renorm, .virtual_batch_size = 3}, input({4, 3}),
                           "[block.bn] virtual_batch_size must divide the batch in training; got "
                           "input (4, 3) and virtual_batch_size 3",
                           input({6, 3}));
  }
  check_call<ShapeError>({.axis = {-2}, .virtual_batch_size = 2}, input({4, 2}),
                         "[block.bn] virtual_batch_size needs the batch axis reduced; got axis 0 "
                         "among the kept axes of input (4, 2)",
                         input({4, 3, 2}));
}

BOOST_AUTO_TEST_CASE(adjustments_that_do_not_fit) {
  const auto adjusting = [](Variable<double> scale, Variable<double> bias) {
    return BatchNormalizationOptions{.adjustment = [=](const Shape&) {
      return ScaleAndBias<double>{.scale = scale, .bias = bias};
    }};
  };
  const Variable<double> three(Tensor<double>({3}, 1.0)), two(Tensor<double>({2}, 1.0)), none;
  const std::string must = "[block.bn] the adjustment must broadcast to the input; got ";
  const auto x = input({4, 3});
  check_call<ShapeError>(adjusting(two, three), x, must + "(2) for input (4, 3)", std::nullopt);
  check_call<ShapeError>(adjusting(three, two), x, must + "(2) for input (4, 3)", std::nullopt);
  check_call<ShapeError>(adjusting(three, none), x, must + "an undefined variable for input (4, 3)",
                         std::nullopt);
  // In the midst of training: right for three channels by six examples alone.
  check_call<ShapeError>(adjusting(Variable<double>(Tensor<double>({6, 3}, 1.5)), three), x,
                         must + "(6, 3) for input (4, 3)", input({6, 3}));
  const BatchNormalizationOptions other_type{
      .adjustment = [](const Shape&) { return ScaleAndBias<float>{}; }};
  check_call<ArgumentError>(other_type, x,
                            "[block.bn] the adjustment must return variables of the layer's type, "
                            "float64; got one for another type",
                            std::nullopt);
}

BOOST_AUTO_TEST_CASE(an_adjustment_that_throws_leaves_no_trace) {
  bool throws = false;
  const BatchNormalizationOptions options{.adjustment = [&](const Shape& shape) {
    if (throws) throw std::runtime_error("of its own");
    return ScaleAndBias<double>{.scale = Tensor<double>({shape[-1]}, 2.0),
                                .bias = Tensor<double>({shape[-1]}, 1.0)};
  }};
  Network net(options);
  train(net, input({4, 3}));
  const Everything before(net);
  throws = true;
  BOOST_CHECK_THROW(net(input({4, 3}), {.training = true}), std::runtime_error);
  BOOST_TEST((Everything(net) == before));
}

BOOST_AUTO_TEST_CASE(masks_and_banks_that_do_not_fit) {
  const auto x = input({4, 3, 2});
  const auto refused = [&](const Tensor<double>& mask, const std::string& text) {
    for (const BatchNormalizationOptions& options : std::vector<BatchNormalizationOptions>{
             {}, {.renorm = true}, {.virtual_batch_size = 2}, {.axis = {0, 2}}}) {
      const bool kept = options.axis.front() == 0;
      if (kept && mask.size() == 4) continue;  // along a kept axis: another text
      check_call<ShapeError>(options, x, "[block.bn] a mask must " + text + " for input (4, 3, 2)",
                             x, {.mask = mask});
    }
  };
  refused(Tensor<double>::ones({4, 3, 2, 1}),
          "have no more axes than the input; got mask (4, 3, 2, 1)");
  refused(Tensor<double>::ones({3}), "fit the input's leading axes; got mask (3)");
  refused(Tensor<double>::ones({1, 1, 2}), "be the same for all channels; got mask (1, 1, 2)");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  check_call<ArgumentError>({}, x,
                            "[block.bn: moments] weights must be finite and at least 0; got -1", x,
                            {.mask = Tensor<double>({4}, {1, 0, -1, 1})});
  check_call<ArgumentError>({}, x,
                            "[block.bn: moments] weights must be finite and at least 0; got nan", x,
                            {.mask = Tensor<double>({4}, {1, nan, 1, 1})});
  check_call<ArgumentError>({}, x,
                            "[block.bn: moments] the sum of the weights must be finite; got inf", x,
                            {.mask = Tensor<double>({4}, 1e308)});
  check_call<ArgumentError>({.banks = {"real"}}, x,
                            "[block.bn] a bank must be one of the option banks; got 'fake', "
                            "expected one of 'real'",
                            x, {.bank = "fake"});
}

BOOST_AUTO_TEST_CASE(bounds_of_renorm_that_are_wrong_at_a_step) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  // Right until step 5.
  const auto until_5 = [](double good, double bad) {
    return [=](std::int64_t step) { return step < 5 ? good : bad; };
  };
  const auto x = input({4, 3});
  const Context<double> late{.training = true, .step = 5};
  const auto refused = [&](const RenormClipping& clipping, const std::string& text) {
    check_call<ArgumentError>({.renorm = true, .renorm_clipping = clipping}, x,
                              "[block.bn] renorm_clipping." + text, x, {}, late);
  };
  refused({.rmax = until_5(2, 0.5), .rmin = 1}, "rmax must be at least rmin; got rmax 0.5, rmin 1");
  refused({.rmin = until_5(0, nan)}, "rmin must be finite; got nan");
  refused({.dmax = until_5(0, -1)}, "dmax must be at least 0; got -1");
}

BOOST_AUTO_TEST_CASE(numbers_that_are_not_finite_where_they_must_be) {
  auto spoilt = input({4, 3});
  spoilt.mutable_data()[4] = std::numeric_limits<double>::infinity();
  for (const bool renorm : {false, true}) {
    check_call<NumericError>({.renorm = renorm, .non_finite = NonFinite::raise}, spoilt,
                             "[block.bn] non_finite = raise needs finite statistics; got a batch "
                             "whose mean or variance is not",
                             input({4, 3}));
  }
}

BOOST_AUTO_TEST_CASE(changes_of_state_without_a_place) {
  Network net({.renorm = true});
  const auto x = input({4, 3});
  train(net, x);
  const Everything before(net);
  const Network& constant = net;
  refuses<StateError>(
      "[first: update] state changes need a module that is not const; got a const call with "
      "updates = apply, expected discard or collect",
      [&] { constant(x, {.training = true}); });
  refuses<StateError>(
      "[first: update] a context that collects updates needs a place for them; got collected = "
      "null",
      [&] { net(x, {.training = true, .updates = StateUpdates::collect}); });
  BOOST_TEST((Everything(net) == before));
}

BOOST_AUTO_TEST_CASE(bounds_and_numbers_that_no_input_could_satisfy) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](const BatchNormalizationOptions& options, const std::string& text) {
    refuses<ArgumentError>("[batch_normalization] " + text, [&] { Layer layer(options); });
    refuses<ArgumentError>("[batch_normalization] " + text,
                           [&] { BatchNormalization<float> layer(options); });
  };
  refused({.momentum = -0.1}, "momentum must lie in [0, 1]; got -0.1");
  refused({.epsilon = infinity}, "epsilon must be finite and at least 0; got inf");
  refused({.epsilon = nan}, "epsilon must be finite and at least 0; got nan");
  for (const bool renorm : {false, true}) {
    refused({.renorm = renorm, .renorm_momentum = 2}, "renorm_momentum must lie in [0, 1]; got 2");
    refused({.renorm = renorm, .renorm_momentum = nan},
            "renorm_momentum must lie in [0, 1]; got nan");
  }
  refused({.renorm = true, .renorm_clipping = {.rmax = nan}},
          "renorm_clipping.rmax must be finite; got nan");
  refused({.renorm = true, .renorm_clipping = {.dmax = infinity}},
          "renorm_clipping.dmax must be finite; got inf");
  refused({.virtual_batch_size = -1}, "virtual_batch_size must be at least 1; got -1");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
