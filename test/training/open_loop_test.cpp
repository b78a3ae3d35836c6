// Training without a Trainer, as short as the documents promise.
#include <boost/test/unit_test.hpp>
#include <lamina/lamina.hpp>

#include "support/allocation_counter.hpp"

using namespace lamina;

BOOST_AUTO_TEST_CASE(the_open_loop_learns_synthetic_digits) {
  const Dataset digits = data::synthetic_digits({.examples = 3000, .seed = 1});
  DataLoader<float> loader(digits, {.batch_size = 50, .shuffle = true, .seed = 1});
  Sequential<float> net;
  net.add<Flatten>().add<Dense>({.units = 64}).add<BatchNormalization>({.momentum = 0.9});
  net.add<ReLU>().add<Dense>({.units = 10});

  Tape<float> tape;
  Rng rng(42);
  Adam<float> adam(net.parameters(), {.learning_rate = 3e-3});
  for (int epoch = 0; epoch < 4; ++epoch) {
    for (auto [x, y] : loader) {
      auto ctx = Context<float>::for_training(tape, rng);
      auto loss = softmax_cross_entropy(net(x, ctx), y) + net.regularization(ctx);
      tape.backward(loss);
      adam.step();
      adam.zero_gradients();
      tape.clear();
    }
  }

  const Dataset test = data::synthetic_digits({.examples = 1000, .seed = 2});
  auto metric = accuracy();
  for (auto [x, y] : DataLoader<float>(test, {.batch_size = 100})) {
    metric->update(net(x, Context<float>::for_inference()).value(), y);
  }
  BOOST_TEST(metric->value() > 0.9);
}

BOOST_AUTO_TEST_CASE(a_step_of_the_open_loop_takes_no_memory_from_the_system) {
  const Dataset digits = data::synthetic_digits({.examples = 100, .seed = 1});
  const Batch<float> batch = digits.batch<float>(0, 50);
  Sequential<float> net;
  net.add<Flatten>().add<Dense>({.units = 64}).add<ReLU>().add<Dropout>({.rate = 0.3});
  net.add<Dense>({.units = 10});
  Tape<float> tape;
  Rng rng(42);
  SGD<float> sgd(net.parameters(), {.learning_rate = 0.01, .momentum = 0.9});
  const auto steps = [&](int count) {
    for (int i = 0; i < count; ++i) {
      auto ctx = Context<float>::for_training(tape, rng);
      tape.backward(softmax_cross_entropy(net(batch.features, ctx), batch.labels));
      sgd.step();
      sgd.zero_gradients();
      tape.clear();
    }
  };
  steps(5);
  const auto system = memory_counters().system_allocations;
  const auto calls = test::allocations();
  steps(100);
  const auto system_after = memory_counters().system_allocations;
  const auto calls_after = test::allocations();
  BOOST_TEST(calls_after == calls);
  if (test::counts_allocations()) BOOST_TEST(system_after == system);
}
