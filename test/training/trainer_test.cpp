#include <boost/test/unit_test.hpp>
#include <cmath>
#include <iostream>
#include <lamina/training/detail/training_step.hpp>
#include <limits>

#include "support/allocation_counter.hpp"
#include "support/refusal.hpp"
#include "training/support.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

// An optimizer that never moves anything.
OptimizerFactory still() { return sgd({.learning_rate = 0}); }

Dataset with_label(const Dataset& data, std::int64_t at, std::int64_t label) {
  Tensor<std::int64_t> labels = data.labels();
  labels.mutable_data()[at] = label;
  return Dataset(data.features(), labels);
}

Dataset with_feature(const Dataset& data, std::int64_t at, float value) {
  Tensor<float> features = std::get<Tensor<float>>(data.features());
  features.mutable_data()[at] = value;
  return Dataset(features, data.labels());
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_network_learns_synthetic_digits) {
  Sequential<float> net;
  net.add<Flatten>()
      .add<Dense>({.units = 64, .use_bias = false})
      .add<BatchNormalization>({.momentum = 0.9})
      .add<ReLU>()
      .add<Dense>({.units = 10});
  Trainer<float> trainer(net, {.loss = SoftmaxCrossEntropy(),
                               .optimizer = adam({.learning_rate = 3e-3}),
                               .metrics = {accuracy(), top_k(3)}});
  const Dataset test = data::synthetic_digits({.examples = 1000, .seed = 2});
  const History history = trainer.fit(data::synthetic_digits({.examples = 3000, .seed = 1}),
                                      {.epochs = 4, .batch_size = 50, .validation = test});
  BOOST_TEST(history.last("val_accuracy") > 0.9);
  BOOST_TEST(history.last("val_top_3") > history.last("val_accuracy"));
  BOOST_TEST(history.last("loss") < history.at("loss").front() / 2);
  BOOST_TEST(trainer.evaluate(test).at("accuracy") == history.last("val_accuracy"));

  ConfusionMatrix matrix(10);
  matrix.update(trainer.predict(test), test.labels());
  BOOST_TEST(matrix.accuracy() == history.last("val_accuracy"),
             boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(the_history_holds_the_means_of_the_epochs) {
  // Without dropout and batch normalization, at rate 0, training measures what evaluation does.
  Sequential<double> net;
  net.add<Dense>({.units = 3, .kernel_regularizer = l2(0.1)});
  Trainer<double> trainer(
      net, {.loss = SoftmaxCrossEntropy(), .optimizer = still(), .metrics = {accuracy()}});
  const Dataset data = three_blobs(47, 1), other = three_blobs(23, 2);
  const History history = trainer.fit(data, {.epochs = 2, .batch_size = 10, .validation = other});
  const std::vector<std::string> names{"loss", "accuracy", "val_loss", "val_accuracy",
                                       "learning_rate"};
  BOOST_TEST(history.names() == names, boost::test_tools::per_element());
  BOOST_TEST(history.epochs() == 2);
  const Scores on_data = trainer.evaluate(data, {.batch_size = 7});
  const Scores on_other = trainer.evaluate(other, {.batch_size = 100});
  const auto tight = boost::test_tools::tolerance(1e-12);
  BOOST_TEST(history.last("loss") == on_data.at("loss"), tight);
  BOOST_TEST(history.last("accuracy") == on_data.at("accuracy"), tight);
  BOOST_TEST(history.at("val_loss").front() == on_other.at("loss"), tight);
  BOOST_TEST(history.last("learning_rate") == 0.0);

  // The loss by hand: cross-entropy of the whole set, and the penalty.
  const Batch<double> all = other.batch<double>(0, 23);
  const auto ctx = Context<double>::for_inference();
  const double expected = softmax_cross_entropy(net(all.features, ctx), all.labels).item() +
                          net.regularization(ctx).item();
  BOOST_TEST(on_other.at("loss") == expected, tight);
}

BOOST_AUTO_TEST_CASE(training_equals_the_open_loop_bit_for_bit) {
  const Dataset data = three_blobs(53, 1);
  auto by_trainer = small_net<float>(), by_hand = small_net<float>();
  Trainer<float> trainer(by_trainer, usual());
  trainer.fit(data, {.epochs = 3, .batch_size = 8, .seed = 7});

  Tape<float> tape;
  Rng rng(7);
  SGD<float> optimizer(by_hand.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
  DataLoader<float> loader(data, {.batch_size = 8, .shuffle = true, .seed = 7});
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (auto [x, y] : loader) {
      auto ctx = Context<float>::for_training(tape, rng);
      auto loss = softmax_cross_entropy(by_hand(x, ctx), y);
      loss = loss + by_hand.regularization(ctx);
      tape.backward(loss);
      optimizer.step();
      optimizer.zero_gradients();
      tape.clear();
    }
  }
  BOOST_TEST(same_values(values_of(by_trainer), values_of(by_hand)));
}

BOOST_AUTO_TEST_CASE(layers_are_heard_in_training_and_evaluation) {
  struct Heard : Warnings {
    std::vector<std::string> texts;
    void warn(std::string_view path, std::string_view message) override {
      texts.push_back(std::string(path) + ": " + std::string(message));
    }
  };
  const auto heard = std::make_shared<Heard>();
  Sequential<float> net;
  net.add<BatchNormalization>({.name = "bn", .non_finite = NonFinite::skip})
      .add<Dense>({.units = 3});
  const Dataset data = three_blobs(20, 1);
  Rng rng(1);
  net(data.batch<float>(0, 5).features, {.updates = StateUpdates::discard, .rng = &rng});
  TrainerOptions<float> options = usual();
  BOOST_TEST(dynamic_cast<PrintedWarnings*>(options.warnings.get()) != nullptr);
  options.warnings = heard;
  Trainer<float> trainer(net, options);
  const std::string never = "bn: normalizing by moving statistics that no training has updated";
  const std::string skipped =
      "bn: a batch with NaN or infinity left the moving statistics as they were";
  trainer.evaluate(data);
  trainer.predict(data);
  BOOST_TEST(heard->texts == (std::vector{never, never}), boost::test_tools::per_element());
  BOOST_CHECK_THROW(trainer.fit(with_feature(data, 0, std::nanf("")), {.batch_size = 20}),
                    NumericError);
  BOOST_TEST_REQUIRE(heard->texts.size() == 3u);
  BOOST_TEST(heard->texts[2] == skipped);
  trainer.fit(data, {.batch_size = 20, .validation = data});
  BOOST_TEST(heard->texts.size() == 3u);

  options.warnings = nullptr;
  Sequential<float> silent;
  silent.add<BatchNormalization>().add<Dense>({.units = 3});
  silent(data.batch<float>(0, 5).features, {.updates = StateUpdates::discard, .rng = &rng});
  BOOST_TEST(std::isfinite(Trainer<float>(silent, options).evaluate(data).at("loss")));
}

BOOST_AUTO_TEST_CASE(the_seed_decides_the_bits_and_threads_do_not) {
  const int former = threads();
  const auto trained = [](std::uint64_t seed, int thread_count) {
    set_threads(thread_count);
    auto net = small_net<float>();
    Trainer<float> trainer(net, usual());
    trainer.fit(three_blobs(200, 1), {.epochs = 2, .batch_size = 16, .seed = seed});
    return values_of(net);
  };
  const auto one = trained(5, 1);
  BOOST_TEST(same_values(one, trained(5, 2)));
  BOOST_TEST(!same_values(one, trained(6, 1)));
  set_threads(former);
}

BOOST_AUTO_TEST_CASE(predictions_come_in_order_whatever_the_batches) {
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  const Dataset data = three_blobs(29, 1);
  trainer.fit(data, {.batch_size = 8});
  const Tensor<float> whole = trainer.predict(data, {.batch_size = 29});
  BOOST_TEST(whole.shape().to_string() == "(29, 3)");
  for (const std::int64_t batch_size : {1, 7, 100}) {
    check_close("predictions", trainer.predict(data, {.batch_size = batch_size}), whole, 1e-5);
  }
  const auto before = values_of(net);
  trainer.evaluate(data);
  trainer.predict(data);
  BOOST_TEST(same_values(before, values_of(net)));
}

BOOST_AUTO_TEST_CASE(predictions_of_another_shape_are_refused) {
  struct Pairs : Module<float> {
    Parameter<float> weight;
    void visit(Visitor<float>& v) override { v("weight", weight); }
    Variable<float> forward(const Variable<float>& x, const Context<float>&) const override {
      return matmul(x, transpose(x));
    }
  } pairs;
  pairs.weight.assign(Tensor<float>::ones({1}));
  Trainer<float> trainer(pairs, usual());
  refuses<ShapeError>(
      "[trainer] every batch must give predictions of the same shape; got (2, 2), expected (2, 4)",
      [&] { trainer.predict(three_blobs(6, 1), {.batch_size = 4}); });
}

BOOST_AUTO_TEST_CASE(a_fit_after_one_that_threw_has_an_order_of_its_own) {
  auto net = small_net<float>();
  TrainerOptions<float> options = usual();
  std::vector<float> seen[2];
  int run = 0;
  options.loss =
      LossFunction<float>([&](const Variable<float>& logits, const Tensor<std::int64_t>& labels) {
        seen[run].insert(seen[run].end(), labels.values().begin(), labels.values().end());
        return SoftmaxCrossEntropy()(logits, labels);
      });
  Trainer<float> trainer(net, options);
  const auto thrower = on_epoch_end([](TrainingRun&) { throw StateError("test", "enough"); });
  const Dataset data = three_blobs(60, 1);
  BOOST_CHECK_THROW(trainer.fit(data, {.batch_size = 20, .callbacks = {thrower}}), StateError);
  run = 1;
  trainer.fit(data, {.batch_size = 20});
  BOOST_TEST(seen[0].size() == seen[1].size());
  BOOST_TEST((seen[0] != seen[1]));
}

BOOST_AUTO_TEST_CASE(every_fit_has_an_order_of_its_own) {
  const auto orders = [](std::vector<std::int64_t> epochs) {
    std::vector<std::vector<float>> seen;
    auto net = small_net<float>();
    TrainerOptions<float> options = usual();
    std::vector<float> order;
    options.loss =
        LossFunction<float>([&](const Variable<float>& logits, const Tensor<std::int64_t>& labels) {
          for (const std::int64_t label : labels.values())
            order.push_back(static_cast<float>(label));
          return SoftmaxCrossEntropy()(logits, labels);
        });
    Trainer<float> trainer(net, options);
    for (const std::int64_t count : epochs) {
      trainer.fit(three_blobs(60, 1), {.epochs = count, .batch_size = 20});
      for (std::size_t i = 0; i < order.size(); i += 60) {
        seen.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(i),
                          order.begin() + static_cast<std::ptrdiff_t>(i) + 60);
      }
      order.clear();
    }
    return seen;
  };
  const auto one = orders({1, 2}), other = orders({3});
  BOOST_TEST(one.size() == 3u);
  BOOST_TEST((one[0] == other[0]));
  for (const auto& run : {one, other}) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t k = 0; k < i; ++k) BOOST_TEST((run[i] != run[k]));
    }
  }
}

BOOST_AUTO_TEST_CASE(clipping_and_accumulation_come_with_the_optimizer) {
  const Dataset data = three_blobs(40, 1);
  const auto trained = [&](std::int64_t batch_size, std::int64_t parts) {
    Sequential<double> net;
    net.add<Dense>({.units = 3});
    Trainer<double> trainer(net, {.loss = SoftmaxCrossEntropy(),
                                  .optimizer = sgd({.learning_rate = 0.5,
                                                    .global_clipnorm = 0.1,
                                                    .gradient_accumulation_steps = parts})});
    trainer.fit(data, {.epochs = 2, .batch_size = batch_size});
    return values_of(net);
  };
  const auto whole = trained(20, 1), parts = trained(5, 4);
  for (std::size_t i = 0; i < whole.size(); ++i) check_close("value", parts[i], whole[i], 1e-12);
}

BOOST_AUTO_TEST_CASE(a_frozen_network_moves_its_statistics_only) {
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  const Dataset data = three_blobs(64, 1);
  trainer.fit(data, {.batch_size = 16});
  for (const auto& parameter : net.parameters()) parameter->trainable = false;
  const auto before = values_of(net);
  trainer.fit(data, {.batch_size = 16});
  const auto after = values_of(net);
  int moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) moved += identical(before[i], after[i]) ? 0 : 1;
  BOOST_TEST(moved == 2);
}

BOOST_AUTO_TEST_CASE(a_failing_step_changes_nothing) {
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  const Dataset data = three_blobs(48, 1);
  trainer.fit(data, {.batch_size = 16});
  const auto before = values_of(net);
  BOOST_CHECK_THROW(trainer.fit(with_label(data, 3, 3), {.batch_size = 48}), ArgumentError);
  BOOST_CHECK_THROW(trainer.fit(with_label(data, 3, -1), {.batch_size = 48}), ArgumentError);
  BOOST_CHECK_THROW(
      trainer.fit(Dataset(Tensor<float>::zeros({48, 7}), data.labels()), {.batch_size = 48}),
      ShapeError);
  BOOST_TEST(same_values(before, values_of(net)));
  for (const auto& parameter : net.parameters()) BOOST_TEST(!parameter->gradient.defined());
  BOOST_TEST(trainer.optimizer().iterations() == 3);

  // A label that the loss ignores, and the metric refuses.
  TrainerOptions<float> options = usual();
  options.loss = SoftmaxCrossEntropy({.ignore_index = -1});
  options.metrics = {accuracy()};
  Trainer<float> other(net, options);
  BOOST_CHECK_THROW(other.fit(with_label(data, 3, -1), {.batch_size = 48}), ArgumentError);
  BOOST_TEST(same_values(before, values_of(net)));
  BOOST_TEST(other.optimizer().iterations() == 0);
}

// operator new fails at every call of a first step in turn: the error comes out, nothing leaks, and
// the same step succeeds with memory.
BOOST_AUTO_TEST_CASE(no_memory_in_a_training_step) {
  if (!counts_allocations()) return;
  const int before = threads();
  set_threads(1);
  const Dataset data = three_blobs(16, 1);
  const Batch<float> batch{std::get<Tensor<float>>(data.features()), data.labels()};
  const LossFunction<float> loss = SoftmaxCrossEntropy();
  const auto step_with_failure_at = [&](std::int64_t n) {
    auto net = small_net<float>();
    Adam<float> adam(net.parameters(), {.learning_rate = 0.01});
    detail::TrainingStep<float> step(net, loss, adam, nullptr);
    const auto measure = [](const Tensor<float>&) {};
    Rng rng(1);
    const auto where = [] { return std::string("step 0"); };
    bool done = false;
    fail_allocation(n);
    try {
      step(batch, rng, where, measure);
      done = true;
    } catch (const std::bad_alloc&) {
    }
    fail_allocation(-1);
    if (!done) BOOST_TEST(std::isfinite(step(batch, rng, where, measure)));
    return done;
  };
  const auto all_failures = [&] {
    std::int64_t failures = 0;
    while (failures < 20000 && !step_with_failure_at(failures)) ++failures;
    trim_memory_cache();
    return failures;
  };
  all_failures();  // what is made once for the process, and the allocator's slabs
  const std::int64_t expected = bytes_alive();
  const std::int64_t failures = all_failures();
  BOOST_TEST(bytes_alive() == expected);
  set_threads(before);
  std::cout << "a training step met failures of operator new at " << failures << " calls\n";
  BOOST_TEST(failures > 100);
  BOOST_TEST(failures < 20000);
}

BOOST_AUTO_TEST_CASE(a_loss_that_is_not_finite_names_the_step_and_the_first_layer) {
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  const Dataset data = three_blobs(48, 1);
  trainer.fit(data, {.batch_size = 16});

  const float nan = std::numeric_limits<float>::quiet_NaN();
  refuses<NumericError>(
      "[trainer] the loss must be finite; got nan at step 2 (epoch 1, batch 2), the input is not "
      "finite in example 3 of the batch",
      [&] {
        trainer.fit(with_feature(data, (16 + 3) * 5, nan), {.batch_size = 16, .shuffle = false});
      });
  for (const auto& parameter : net.parameters()) {
    if (parameter->path == "dense.kernel") parameter->value.mutable_data()[0] = 1e3f;
  }
  const auto before = values_of(net);
  refuses<NumericError>(
      "[trainer] the loss must be finite; got nan at step 1 (epoch 1, batch 1), first in the "
      "output "
      "of 'dense'",
      [&] { trainer.fit(with_feature(data, 0, 3e38f), {.batch_size = 16, .shuffle = false}); });
  BOOST_TEST(same_values(before, values_of(net)));

  for (const auto& parameter : net.parameters()) {
    if (parameter->path == "batch_normalization.gamma") parameter->value.mutable_data()[2] = nan;
  }
  refuses<NumericError>(
      "[trainer] the loss must be finite; got nan at step 1 (epoch 1, batch 1), first in the "
      "output "
      "of 'batch_normalization', whose parameter 'batch_normalization.gamma' is not finite",
      [&] { trainer.fit(data, {.batch_size = 16}); });

  Sequential<float> other;
  other.add<Dense>({.units = 3});
  Trainer<float> bad_loss(
      other, {.loss = [](const Variable<float>& y,
                         const Tensor<std::int64_t>&) { return sum(y) * std::log(0.0f); },
              .optimizer = still()});
  BOOST_CHECK_EXCEPTION(bad_loss.fit(data), NumericError, [](const Error& error) {
    return std::string(error.what()).ends_with(", while the output of the network is finite");
  });
}

BOOST_AUTO_TEST_CASE(options_that_mean_nothing_are_refused) {
  auto net = small_net<float>();
  const Dataset data = three_blobs(10, 1);
  Trainer<float> trainer(net, usual());
  refuses<ArgumentError>("[trainer] epochs must be at least 0; got -1",
                         [&] { trainer.fit(data, {.epochs = -1}); });
  refuses<ArgumentError>("[trainer] batch_size must be at least 1; got 0",
                         [&] { trainer.fit(data, {.batch_size = 0}); });
  refuses<ArgumentError>("[trainer] prefetch must be at least 0; got -2",
                         [&] { trainer.fit(data, {.prefetch = -2}); });
  refuses<ArgumentError>("[trainer] validation_batch_size must be at least 1; got 0",
                         [&] { trainer.fit(data, {.validation_batch_size = 0}); });
  refuses<ArgumentError>("[trainer] callbacks must not be null; got a null pointer",
                         [&] { trainer.fit(data, {.callbacks = {nullptr}}); });
  refuses<ArgumentError>("[trainer] batch_size must be at least 1; got 0",
                         [&] { trainer.evaluate(data, {.batch_size = 0}); });
  refuses<ArgumentError>("[trainer] there must be a loss; got none", [&] {
    Trainer<float>(net, {.loss = LossFunction<float>(), .optimizer = still()});
  });
  refuses<ArgumentError>("[trainer] metrics must have different names; got 'accuracy' twice", [&] {
    Trainer<float>(
        net,
        {.loss = SoftmaxCrossEntropy(), .optimizer = still(), .metrics = {accuracy(), accuracy()}});
  });
  refuses<ArgumentError>("[trainer] metrics must not be null; got a null pointer", [&] {
    Trainer<float>(net,
                   {.loss = SoftmaxCrossEntropy(), .optimizer = still(), .metrics = {nullptr}});
  });
  refuses<ShapeError>("[trainer] the loss must be a scalar, by its reduction; got shape (10)", [&] {
    Trainer<float>(
        net, {.loss = SoftmaxCrossEntropy({.reduction = Reduction::none}), .optimizer = still()})
        .fit(data);
  });
  BOOST_TEST(trainer.fit(data, {.epochs = 0}).epochs() == 0);
}

BOOST_AUTO_TEST_CASE(a_network_never_built_is_not_evaluated) {
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  BOOST_CHECK_THROW(trainer.evaluate(three_blobs(10, 1)), StateError);
  BOOST_CHECK_THROW(trainer.predict(three_blobs(10, 1)), StateError);
}

BOOST_AUTO_TEST_CASE(unknown_names_are_refused_with_the_known_ones) {
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  const History history = trainer.fit(three_blobs(10, 1), {.batch_size = 5});
  refuses<ArgumentError>(
      "[history] the name must be one that was measured; got 'val_loss', expected loss, accuracy, "
      "learning_rate",
      [&] { (void)history.at("val_loss"); });
  refuses<ArgumentError>(
      "[scores] the name must be one that was measured; got 'top_5', expected loss, accuracy",
      [&] { trainer.evaluate(three_blobs(10, 1)).at("top_5"); });
  refuses<ArgumentError>("[history] there must be an epoch; got none for 'loss'", [&] {
    (void)trainer.fit(three_blobs(10, 1), {.epochs = 0}).last("loss");
  });
}

BOOST_AUTO_TEST_CASE(steps_in_the_steady_state_take_no_memory_from_the_system) {
  if (!counts_allocations()) return;  // a sanitizer counts, and takes every block from the system
  auto net = small_net<float>();
  Trainer<float> trainer(net, usual());
  std::vector<std::int64_t> system;
  system.reserve(1000);
  trainer.fit(
      three_blobs(1600, 1),
      {.epochs = 2, .batch_size = 16, .callbacks = {on_step_end([&](TrainingRun&) {
                                        system.push_back(memory_counters().system_allocations);
                                      })}});
  BOOST_TEST(system[90] == system[20]);
  BOOST_TEST(system[195] == system[105]);
}

BOOST_AUTO_TEST_CASE(steps_in_the_steady_state_call_no_operator_new) {
  Sequential<float> net;
  net.add<Dense>({.units = 11}).add<ReLU>().add<Dropout>({.rate = 0.2}).add<Dense>({.units = 3});
  Trainer<float> trainer(net, usual());
  std::vector<std::int64_t> calls;
  calls.reserve(1000);
  const auto note = on_step_end([&](TrainingRun&) { calls.push_back(allocations()); });
  trainer.fit(three_blobs(1600, 1), {.batch_size = 16, .callbacks = {note}, .prefetch = 0});
  BOOST_TEST(calls[90] == calls[20]);
}
