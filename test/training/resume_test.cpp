// A run that was interrupted and goes on ends in the same bytes as one that was not.
#include <boost/test/unit_test.hpp>
#include <csignal>

#include "support/files.hpp"
#include "support/refusal.hpp"
#include "training/killed_runs.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr std::int64_t kEpochs = 4, kSteps = 7;  // per epoch; the last batch has fewer examples

// One process's part of a run: everything is made anew.
struct Process {
  Process(const std::filesystem::path& where, const OptimizerFactory& optimizer)
      : folder(where.string()),
        trainer(net, {.loss = SoftmaxCrossEntropy(),
                      .optimizer = optimizer,
                      .metrics = {accuracy(), top_k(2)}}) {}

  FitOptions options(CallbackList extra = {}) const {
    FitOptions o{.epochs = kEpochs, .batch_size = 9, .validation = three_blobs(20, 2), .seed = 11};
    o.callbacks = {
        csv_log(folder + "/log.csv"),
        checkpoint({.folder = folder, .keep = 2, .every_steps = 2, .best = "val_loss"}),
        early_stopping({.monitor = "val_loss", .patience = 3}),
        reduce_on_plateau({.monitor = "loss", .factor = 0.5, .patience = 1, .min_delta = 0.3})};
    o.callbacks.insert(o.callbacks.end(), extra.begin(), extra.end());
    return o;
  }
  History fit(const FitOptions& o) { return trainer.fit(three_blobs(60, 1), o); }

  std::string folder;
  Sequential<float> net = small_net<float>();
  Trainer<float> trainer;
};

Outcome whole(const OptimizerFactory& optimizer) {
  const TemporaryFolder folder(Medium::memory);
  Process process(folder.path(), optimizer);
  return outcome(process.folder, process.fit(process.options()));
}

OptimizerFactory momentum() { return sgd({.learning_rate = 0.1, .momentum = 0.9}); }

std::string error_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_killed_run_ends_in_the_same_bytes_wherever_it_was_killed) {
  const Outcome expected = whole(momentum());
  for (std::int64_t kill = 2; kill < kEpochs * kSteps; kill += 3) {
    const TemporaryFolder folder(Medium::memory);
    {
      Process process(folder.path(), momentum());
      std::int64_t steps = 0;
      const auto killer = on_step_end([&](TrainingRun&) {
        if (++steps == kill + 1) throw Killed();
      });
      BOOST_CHECK_THROW(process.fit(process.options({killer})), Killed);
    }
    Process process(folder.path(), momentum());
    process.trainer.resume(process.folder);
    BOOST_TEST_CONTEXT("killed after step " << kill) {
      check_same(outcome(process.folder, process.fit(process.options())), expected);
    }
  }
}

// Each kind is killed after some steps; together these are all. resume_slow_test does all of each.
BOOST_AUTO_TEST_CASE(every_optimizer_is_resumed_exactly_with_another_thread_count) {
  resume_killed_runs([](std::size_t kind) {
    const auto first = static_cast<std::int64_t>(kind);
    const std::int64_t third = KilledRun::kSteps / 3 + 1;
    std::vector<std::int64_t> steps;
    for (std::int64_t n = 0; n < 3; ++n) {
      steps.push_back((first + n * third) % KilledRun::kSteps + 1);
    }
    return steps;
  });
}

BOOST_AUTO_TEST_CASE(a_run_ended_by_control_c_loses_no_step) {
  const OptimizerFactory factories[] = {
      adam({.amsgrad = true, .gradient_accumulation_steps = 3}),
      sgd({.learning_rate = one_cycle({.total_steps = kEpochs * kSteps}),
           .momentum = one_cycle_momentum({.total_steps = kEpochs * kSteps})})};
  for (const OptimizerFactory& factory : factories) {
    const Outcome expected = whole(factory);
    for (const std::int64_t stop : {1, 7, 8, 13, 14, 27}) {
      const TemporaryFolder folder(Medium::memory);
      {
        Process process(folder.path(), factory);
        std::int64_t steps = 0;
        const auto interrupter = on_step_end([&](TrainingRun&) {
          if (++steps == stop) std::raise(SIGINT);
        });
        BOOST_TEST(process.fit(process.options({interrupter})).interrupted);
        BOOST_TEST(steps == stop);
      }
      Process process(folder.path(), factory);
      process.trainer.resume(process.folder);
      std::int64_t rest = 0;
      const auto counter = on_step_end([&](TrainingRun& run) { rest += run.resumed ? 1 : 0; });
      BOOST_TEST_CONTEXT(factory.type() << " stopped after step " << stop) {
        check_same(outcome(process.folder, process.fit(process.options({counter}))), expected);
        BOOST_TEST(rest == kEpochs * kSteps - stop);
      }
    }
  }
}

// Another metric of the same name.
BOOST_AUTO_TEST_CASE(sums_of_another_length_are_refused) {
  class Always final : public Metric {
   public:
    Always() : Metric(1) {}
    std::string name() const override { return "accuracy"; }
    void update(const Tensor<float>&, const Tensor<std::int64_t>&) override { sums_[0] = 1; }
    void update(const Tensor<double>&, const Tensor<std::int64_t>&) override { sums_[0] = 1; }
    double value() const override { return sums_[0]; }
    std::unique_ptr<Metric> copy() const override { return std::make_unique<Always>(*this); }
  };
  const TemporaryFolder folder(Medium::memory);
  const std::string path = folder.path().string();
  const auto trained = [&](const std::shared_ptr<const Metric>& metric, bool resumed) {
    auto net = small_net<float>();
    Trainer<float> trainer(net, {.loss = SoftmaxCrossEntropy(),
                                 .optimizer = sgd({.learning_rate = 0.1}),
                                 .metrics = {metric}});
    if (resumed) trainer.resume(path);
    const auto before = values_of(net);
    const std::string text = error_of([&] {
      trainer.fit(three_blobs(20, 1),
                  {.epochs = resumed ? 2 : 1, .callbacks = {checkpoint({.folder = path})}});
    });
    if (resumed) BOOST_TEST(same_values(before, values_of(net)));
    return text;
  };
  BOOST_TEST(trained(std::make_shared<Always>(), false) == "no error");
  BOOST_TEST(trained(accuracy(), true) == "[trainer] metrics.accuracy must have 2 numbers; got 1");
}

BOOST_AUTO_TEST_CASE(a_run_that_stopped_early_stays_stopped) {
  const TemporaryFolder folder(Medium::memory);
  const auto options = [](const Process& process) {
    FitOptions o = process.options();
    o.callbacks = {checkpoint({.folder = process.folder}),
                   early_stopping({.min_delta = 100, .patience = 1})};
    return o;
  };
  Process first(folder.path(), momentum()), second(folder.path(), momentum());
  const History stopped = first.fit(options(first));
  BOOST_TEST(stopped.epochs() == 2);
  second.trainer.resume(second.folder);
  const History again = second.fit(options(second));
  BOOST_TEST(again.epochs() == 2);
  BOOST_TEST(again.stop_reason == stopped.stop_reason);
  BOOST_TEST(second.trainer.optimizer().iterations() == 2 * kSteps);
}

BOOST_AUTO_TEST_CASE(a_finished_run_may_be_given_more_epochs) {
  const Outcome expected = whole(momentum());
  const TemporaryFolder folder(Medium::memory);
  {
    Process process(folder.path(), momentum());
    FitOptions options = process.options();
    options.epochs = 2;
    process.fit(options);
  }
  Process process(folder.path(), momentum());
  process.trainer.resume(process.folder);
  check_same(outcome(process.folder, process.fit(process.options())), expected);
}

BOOST_AUTO_TEST_CASE(resuming_makes_the_network_ready_at_once) {
  const TemporaryFolder folder(Medium::memory);
  Process first(folder.path(), momentum()), second(folder.path(), momentum());
  first.fit(first.options());
  const LoadedGeneration loaded = second.trainer.resume(second.folder);
  BOOST_TEST(loaded.path == list_generations(first.folder).back());
  BOOST_TEST(loaded.skipped.empty());
  BOOST_TEST(same_values(values_of(first.net), values_of(second.net)));
  BOOST_TEST(second.trainer.evaluate(three_blobs(20, 2)).at("loss") ==
             first.trainer.evaluate(three_blobs(20, 2)).at("loss"));
}

BOOST_AUTO_TEST_CASE(a_damaged_checkpoint_is_skipped_and_reported) {
  const TemporaryFolder folder(Medium::memory);
  const Outcome expected = whole(momentum());
  Process first(folder.path(), momentum()), second(folder.path(), momentum());
  first.fit(first.options());
  const std::string newest = list_generations(first.folder).back();
  write_bytes(newest, read_bytes(newest).substr(0, 1000));
  const LoadedGeneration loaded = second.trainer.resume(second.folder);
  BOOST_TEST(loaded.path != newest);
  BOOST_REQUIRE(loaded.skipped.size() == 1u);
  BOOST_TEST(loaded.skipped[0].find(newest) != std::string::npos);
  BOOST_TEST(second.fit(second.options()).at("val_loss") == expected.losses,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_run_is_resumed_with_its_own_options_or_not_at_all) {
  const TemporaryFolder folder(Medium::memory);
  {
    Process process(folder.path(), momentum());
    process.fit(process.options());
  }
  Process process(folder.path(), momentum());
  const auto refused = [&](const FitOptions& options, const std::string& part) {
    process.trainer.resume(process.folder);
    const auto before = values_of(process.net);
    const std::string error = error_of([&] { process.fit(options); });
    BOOST_TEST(error.find(part) != std::string::npos, error);
    BOOST_TEST(same_values(before, values_of(process.net)));
  };
  FitOptions options = process.options();
  options.batch_size = 10;
  refused(options, "a run must be resumed with its own batch_size; got 10, expected 9");
  options = process.options();
  options.seed = 12;
  refused(options, "a run must be resumed with its own seed; got 12, expected 11");
  options = process.options();
  options.shuffle = false;
  refused(options, "a run must be resumed with its own shuffle; got 0, expected 1");
  options = process.options();
  options.callbacks.pop_back();
  refused(options, "callbacks.reduce_on_plateau.best");
  options = process.options();
  options.validation = {};
  refused(options, "history.val_loss");
  process.trainer.resume(process.folder);
  BOOST_TEST(error_of([&] {
               process.trainer.fit(three_blobs(61, 1), process.options());
             }).find("its own examples_in_data; got 61, expected 60") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(resuming_from_nothing_is_an_error) {
  const TemporaryFolder folder(Medium::memory);
  Process process(folder.path(), momentum());
  BOOST_CHECK_THROW(process.trainer.resume(process.folder), CheckpointError);
  BOOST_CHECK_THROW(process.trainer.resume(process.folder + "/none"), CheckpointError);
}
