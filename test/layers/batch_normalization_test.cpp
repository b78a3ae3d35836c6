#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/nn/initializers.hpp>
#include <lamina/nn/sequential.hpp>
#include <limits>

namespace lamina {
namespace {

using Layer = BatchNormalization<double>;

// The worked example of the specification, section 16.
const Tensor<double> kX({4, 2}, {1, 10, 2, -10, 4, 30, 9, 2});
const Tensor<double> kDy({4, 2}, {1, 0, 0, 1, -1, 2, .5, -1});

template <Scalar T>
std::vector<Tensor<T>> state_of(const Module<T>& module) {
  struct Collector : Visitor<T> {
    std::vector<Tensor<T>> state;
    void parameter(const std::string&, Parameter<T>& p) override { state.push_back(p.value()); }
    void buffer(const std::string&, Buffer<T>& b) override { state.push_back(b.value()); }
  } collector;
  collector.walk(module);
  return collector.state;
}

template <Scalar T>
bool same_state(const std::vector<Tensor<T>>& a, const std::vector<Tensor<T>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), identical<T>);
}

void check_close(const Tensor<double>& computed, std::initializer_list<double> expected) {
  BOOST_TEST_REQUIRE(computed.size() == static_cast<std::int64_t>(expected.size()));
  std::int64_t i = 0;
  for (const double value : expected) {
    BOOST_TEST(std::abs(computed.data()[i++] - value) <= 6e-8 * std::max(1.0, std::abs(value)));
  }
}

// A layer with the example's gamma and beta, built for two channels.
Layer example_layer(BatchNormalizationOptions options) {
  options.momentum = 0.9;
  Layer layer(options);
  Rng rng(1);
  layer(kX, {.updates = StateUpdates::discard, .rng = &rng});
  layer.gamma().assign(Tensor<double>({2}, {1.5, 0.5}));
  layer.beta().assign(Tensor<double>({2}, {0.25, -1}));
  return layer;
}

struct Call {
  Tensor<double> y, dx;
};

Call call(Layer& layer, const Tensor<double>& x, bool training) {
  Tape<double> tape;
  Rng rng(1);
  const Context<double> ctx{.tape = &tape,
                            .training = training,
                            .updates = training ? StateUpdates::apply : StateUpdates::discard,
                            .rng = &rng};
  const Variable<double> input = tape.watch(x);
  const Variable<double> y = layer(input, ctx);
  return {y.value(), tape.gradients(y, {input}, {.seed = kDy})[0].value()};
}

template <class E, class Function>
void check_message(Function&& function, const std::string& message) {
  BOOST_CHECK_EXCEPTION(function(), E, [&](const E& error) {
    BOOST_TEST(error.what() == message);
    return true;
  });
}

BOOST_AUTO_TEST_SUITE(batch_normalization)

BOOST_AUTO_TEST_CASE(the_worked_example_in_training_and_inference) {
  Layer layer = example_layer({});
  const Call trained = call(layer, kX, true);
  check_close(trained.y, {-1.2099160, -0.9313199, -0.7232773, -1.6181211, 0.25, -0.2445187,
                          2.6831933, -1.2060404});
  check_close(trained.dx, {0.4066014, -0.0197617, -0.0736348, 0.0404952, -0.5474685, 0.0230015,
                           0.2145018, -0.043735});
  check_close(layer.moving_mean().value(), {0.4, 0.8});
  check_close(layer.moving_variance().value(), {1.85, 22.1});
  const Call inferred = call(layer, kX, false);
  check_close(inferred.y, {0.9115144, -0.0215202, 2.0140384, -2.1486502, 4.2190864, 2.1056098,
                           9.7317063, -0.8723722});
  check_close(inferred.dx, {1.102524, 0, 0, 0.1063565, -1.102524, 0.212713, 0.551262, -0.1063565});
}

BOOST_AUTO_TEST_CASE(ghost_batches_are_strided) {
  Layer layer = example_layer({.virtual_batch_size = 2});
  check_close(call(layer, kX, true).y, {-1.2496668, -1.4999975, -1.2499388, -1.4999931, 1.7496668,
                                        -0.5000025, 1.7499388, -0.5000069});
  check_close(layer.moving_mean().value(), {0.4, 0.8});
  check_close(layer.moving_variance().value(), {0.9 + 0.1 * 7.25, 0.9 + 0.1 * 68});
}

BOOST_AUTO_TEST_CASE(inference_after_ghost_training_takes_any_batch) {
  Layer layer = example_layer({.virtual_batch_size = 2});
  call(layer, kX, true);
  Rng rng(1);
  const auto y = layer(Tensor<double>({3, 2}, 1.0), Context<double>::for_inference());
  BOOST_TEST((y.shape() == Shape{3, 2}));
}

BOOST_AUTO_TEST_CASE(an_adjustment_comes_before_gamma_and_beta) {
  Layer layer = example_layer({.adjustment = [](const Shape& shape) {
    BOOST_TEST((shape == Shape{4, 2}));
    return ScaleAndBias<double>{.scale = Tensor<double>({2}, {1.1, .9}),
                                .bias = Tensor<double>({2}, {.1, -.2})};
  }});
  check_close(call(layer, kX, true).y, {-1.2059075, -1.0381879, -0.670605, -1.656309, 0.4,
                                        -0.4200668, 3.0765126, -1.2854363});
}

BOOST_AUTO_TEST_CASE(renorm_corrects_toward_the_state_before_the_step) {
  Layer layer = example_layer({.renorm = true,
                               .renorm_clipping = {.rmax = 1.1, .rmin = .9, .dmax = .1},
                               .renorm_momentum = .8});
  const Tensor<double> second({4, 2}, {2, 20, 3, -5, 7, 11, 1, 0});
  check_close(call(layer, kX, true).y, {-1.2059075, -0.8744519, -0.670605, -1.6299332, 0.4,
                                        -0.1189705, 3.0765126, -1.1766444});
  check_close(call(layer, second, true).y, {-0.5054679, -0.1851901, 0.2189064, -1.6015047,
                                            3.1164036, -0.6950634, -1.2298422, -1.3182418});
  call(layer, kX, true);
  const auto state = state_of<double>(layer);
  check_close(state[2], {1.0165, 2.033});          // moving_mean
  check_close(state[3], {2.2248054, 17.9609373});  // moving_variance
  check_close(state[4], {1.4919133, 4.2381526});   // moving_stddev
  check_close(state[5], {1.832, 3.664});           // renorm_mean
  check_close(state[6], {1.8874696, 6.8410906});   // renorm_stddev
}

BOOST_AUTO_TEST_CASE(bounds_may_depend_on_the_step) {
  Layer layer = example_layer(
      {.renorm = true,
       .renorm_clipping = {.rmax = [](std::int64_t step) { return step < 10 ? 1.0 : 3.0; },
                           .rmin = 1.0,
                           .dmax = 0}});
  Rng rng(1);
  const auto y_at = [&](std::int64_t step) {
    return layer(kX, {.training = true, .updates = StateUpdates::discard, .step = step}).value();
  };
  Layer plain = example_layer({});
  const auto reference = plain(kX, {.training = true, .updates = StateUpdates::discard}).value();
  check_close(y_at(0), {-1.2099160, -0.9313199, -0.7232773, -1.6181211, 0.25, -0.2445187, 2.6831933,
                        -1.2060404});
  BOOST_TEST(y_at(0).at({0, 1}) == reference.at({0, 1}));
  BOOST_TEST(std::abs(y_at(10).at({0, 1}) - reference.at({0, 1})) > 0.05);
}

BOOST_AUTO_TEST_CASE(one_value_per_channel_gives_beta) {
  Layer layer = example_layer({});
  const Call result = call(layer, kX, true);
  Tape<double> tape;
  Rng rng(1);
  const auto x = tape.watch(Tensor<double>({1, 2}, {3, -5}));
  const auto y = layer(x, Context<double>::for_training(tape, rng));
  BOOST_TEST(y.value().at({0, 0}) == 0.25);
  BOOST_TEST(y.value().at({0, 1}) == -1);
  const auto dx = tape.gradients(y, {x}, {.seed = Tensor<double>({1, 2}, {1, 2})})[0].value();
  BOOST_TEST(dx.at({0, 0}) == 0);
  BOOST_TEST(dx.at({0, 1}) == 0);
}

BOOST_AUTO_TEST_CASE(an_empty_batch_changes_nothing) {
  for (const bool renorm : {false, true}) {
    Layer layer = example_layer({.renorm = renorm});
    const auto before = state_of<double>(layer);
    Tape<double> tape;
    Rng rng(1);
    const auto x = tape.watch(Tensor<double>({0, 2}, 1.0));
    const auto y = layer(x, Context<double>::for_training(tape, rng));
    BOOST_TEST((y.shape() == Shape{0, 2}));
    tape.backward(y, {.seed = Tensor<double>({0, 2}, 1.0)});
    BOOST_TEST(same_state(before, state_of<double>(layer)));
    BOOST_TEST(layer.gamma().gradient().at({0}) == 0);
    BOOST_TEST(layer.beta().gradient().at({1}) == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_layer_that_is_not_trainable_normalizes_by_the_batch_and_keeps_its_state) {
  Layer layer = example_layer({.trainable = false});
  const auto before = state_of<double>(layer);
  check_close(call(layer, kX, true).y, {-1.2099160, -0.9313199, -0.7232773, -1.6181211, 0.25,
                                        -0.2445187, 2.6831933, -1.2060404});
  BOOST_TEST(same_state(before, state_of<double>(layer)));
  BOOST_TEST(!layer.gamma().gradient().defined());
}

BOOST_AUTO_TEST_CASE(the_estimator_follows_the_seed_or_the_option) {
  const Tensor<float> image({2, 1, 1, 1}, {1, 3});  // biased variance 1, unbiased 2
  const auto moved = [&](const Tensor<float>& x, BatchNormalizationOptions options) {
    options.momentum = 0;
    BatchNormalization<float> layer(options);
    Tape<float> tape;
    Rng rng(1);
    layer(x, Context<float>::for_training(tape, rng));
    return layer.moving_variance().value().data()[0];
  };
  BOOST_TEST(moved(image, {}) == 2);
  BOOST_TEST(moved(image, {.axis = {1}}) == 2);
  BOOST_TEST(moved(image, {.axis = {2}}) == 1);
  BOOST_TEST(moved(image, {.fused = false}) == 1);
  BOOST_TEST(moved(image.reshaped({2, 1}), {}) == 1);
  BOOST_TEST(moved(image, {.variance_estimator = VarianceEstimator::biased}) == 1);
  BOOST_TEST(moved(image.reshaped({2, 1}), {.variance_estimator = VarianceEstimator::unbiased}) ==
             2);
}

BOOST_AUTO_TEST_CASE(collected_updates_of_two_calls_add_up) {
  for (const bool renorm : {false, true}) {
    Layer applied = example_layer({.renorm = renorm}), collected = applied;
    const Tensor<double> second({4, 2}, {2, 20, 3, -5, 7, 11, 1, 0});
    const Context<double> apply{.training = true};
    CollectedUpdates<double> updates;
    const Context<double> collect{
        .training = true, .updates = StateUpdates::collect, .collected = &updates};
    const auto before = state_of<double>(collected);
    collected(kX, collect);
    collected(second, collect);
    BOOST_TEST(same_state(before, state_of<double>(collected)));
    BOOST_TEST(updates.size() == (renorm ? 12 : 6));
    updates.apply();
    applied(kX, apply);
    applied(second, apply);
    BOOST_TEST(same_state(state_of<double>(applied), state_of<double>(collected)));
  }
}

BOOST_AUTO_TEST_CASE(a_copy_continues_to_the_same_bits_and_leaves_the_original_alone) {
  Layer layer = example_layer({.renorm = true});
  call(layer, kX, true);
  Layer copy = layer;
  const auto before = state_of<double>(layer);
  const auto y_copy = call(copy, kX, true).y;
  BOOST_TEST(same_state(before, state_of<double>(layer)));
  BOOST_TEST(identical(y_copy, call(layer, kX, true).y));
  BOOST_TEST(same_state(state_of<double>(copy), state_of<double>(layer)));
}

BOOST_AUTO_TEST_CASE(two_threads_give_the_same_bits) {
  const Shape shape{12, 31, 29, 7};
  Tensor<float> x = Tensor<float>::uninitialized(shape);
  Rng(3).stream("x", 0).fill_normal(x.mutable_values(), 1.0, 2.0);
  for (const BatchNormalizationOptions& options : std::vector<BatchNormalizationOptions>{
           {}, {.axis = {1}}, {.axis = {1, 3}}, {.renorm = true}, {.virtual_batch_size = 4}}) {
    std::vector<Tensor<float>> results[2];
    for (const int count : {1, 2}) {
      set_threads(count);
      BatchNormalization<float> layer(options);
      Tape<float> tape;
      Rng rng(1);
      const auto input = tape.watch(x);
      const auto y = layer(input, Context<float>::for_training(tape, rng));
      results[count - 1] = state_of<float>(layer);
      results[count - 1].push_back(y.value());
      results[count - 1].push_back(tape.gradients(y, {input}, {.seed = x})[0].value());
    }
    BOOST_TEST(same_state(results[0], results[1]));
  }
}

BOOST_AUTO_TEST_CASE(options_out_of_range_are_refused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](BatchNormalizationOptions options, const std::string& message) {
    check_message<ArgumentError>([&] { Layer layer(options); }, "[batch_normalization] " + message);
  };
  refused({.axis = {}}, "axis must name at least one axis; got an empty list");
  refused({.momentum = 2}, "momentum must lie in [0, 1]; got 2");
  refused({.momentum = nan}, "momentum must lie in [0, 1]; got nan");
  refused({.epsilon = -1}, "epsilon must be finite and at least 0; got -1");
  refused({.banks = {"fake", "fake"}}, "banks must differ; got 'fake' twice");
  refused({.banks = {"a.b"}}, "a bank's name must be letters, digits and '_'; got 'a.b'");
  refused({.banks = {""}}, "a bank's name must be letters, digits and '_'; got ''");
  refused({.renorm_clipping = {.rmax = 2}},
          "renorm_clipping needs renorm = true; got bounds without it");
  refused({.renorm = true, .renorm_clipping = {.rmax = 1, .rmin = 2}},
          "renorm_clipping.rmax must be at least rmin; got rmax 1, rmin 2");
  refused({.renorm = true, .renorm_clipping = {.dmax = -1}},
          "renorm_clipping.dmax must be at least 0; got -1");
  refused({.renorm = true, .renorm_momentum = -0.5},
          "renorm_momentum must lie in [0, 1]; got -0.5");
  refused({.renorm_momentum = 1.5}, "renorm_momentum must lie in [0, 1]; got 1.5");
  refused({.virtual_batch_size = 0}, "virtual_batch_size must be at least 1; got 0");
  refused({.axis = {0}, .virtual_batch_size = 2},
          "virtual_batch_size needs the batch axis reduced; got axis 0 among the kept axes");
  refused(
      {.virtual_batch_size = 2, .adjustment = [](const Shape&) { return ScaleAndBias<double>{}; }},
      "virtual_batch_size and adjustment must not be combined; got both");
}

BOOST_AUTO_TEST_CASE(inputs_that_do_not_fit_name_the_module_and_change_nothing) {
  Sequential<double> net;
  net.add<BatchNormalization>({.name = "bn"})
      .add<BatchNormalization>({.name = "ghost", .virtual_batch_size = 2});
  Rng rng(1);
  Tape<double> tape;
  net(kX, Context<double>::for_training(tape, rng));
  const auto before = state_of<double>(net);
  const auto train = [&](const Tensor<double>& x) {
    return [&net, &tape, &rng, x] { net(x, Context<double>::for_training(tape, rng)); };
  };
  check_message<ShapeError>(train(Tensor<double>({4, 3}, 1.0)),
                            "[bn] axis -1 must have 2 channels; got input (4, 3)");
  BOOST_TEST(same_state(before, state_of<double>(net)));
  check_message<ShapeError>(
      [&] {
        net.at(1)(Tensor<double>({3, 2}, 1.0), Context<double>::for_training(tape, rng));
      },
      "[ghost] virtual_batch_size must divide the batch in training; got input (3, 2) and "
      "virtual_batch_size 2");
  BOOST_TEST(same_state(before, state_of<double>(net)));
  const Sequential<double>& constant = net;
  check_message<StateError>(
      [&] { constant(kX, {.training = true}); },
      "[bn: update] state changes need a module that is not const; got a const call with "
      "updates = apply, expected discard or collect");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
