// Callbacks: what they hear, what they do, what they refuse. Resuming is in resume_test.cpp.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "support/files.hpp"
#include "support/refusal.hpp"
#include "training/support.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

Trainer<float> trainer_for(Sequential<float>& net, double rate = 0.05) {
  return Trainer<float>(net, {.loss = SoftmaxCrossEntropy(),
                              .optimizer = sgd({.learning_rate = rate}),
                              .metrics = {accuracy()}});
}

// Writes down what it hears.
class Recorder : public Callback {
 public:
  explicit Recorder(std::vector<std::string>& events) : events_(events) {}
  std::string name() const override { return "recorder"; }
  void training_began(TrainingRun& run) override { note("began", run); }
  void epoch_began(TrainingRun& run) override { note("epoch", run); }
  void step_ended(TrainingRun& run) override { note("step", run); }
  void epoch_ended(TrainingRun& run) override { note("end", run); }
  void save_point(TrainingRun& run) override { note("save", run); }
  void training_ended(TrainingRun& run) override { note("ended", run); }

 private:
  void note(const std::string& event, const TrainingRun& run) {
    events_.push_back(event + " " + std::to_string(run.epoch) + "/" + std::to_string(run.step));
  }
  std::vector<std::string>& events_;
};

// A run that exists only in the numbers given to it.
class ScriptedRun : public TrainingRun {
 public:
  double current = 0, rate = 1;
  bool larger = false;
  std::string stopped;
  std::vector<std::string> saved;

  explicit ScriptedRun(std::vector<std::string> names = {"loss", "val_loss", "learning_rate"}) {
    history = History(names);
    epochs = 100;
  }
  double value(const std::string&) const override { return current; }
  bool larger_is_better(const std::string&) const override { return larger; }
  double learning_rate() const override { return rate; }
  void set_learning_rate(double value) override { rate = value; }
  void stop(const std::string& reason) override { stopped = reason; }
  std::string save(const std::string&, int, const std::string& prefix) override {
    saved.push_back(prefix);
    return {};
  }

  // Epochs with these values until something stops; how many there were.
  int play(Callback& callback, const std::vector<double>& values) {
    callback.training_began(*this);
    int count = 0;
    for (const double value : values) {
      current = value;
      callback.epoch_ended(*this);
      ++epoch;
      ++count;
      if (!stopped.empty()) break;
    }
    return count;
  }
};

std::string content(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

BOOST_AUTO_TEST_CASE(events_come_in_their_order) {
  auto net = small_net<float>();
  std::vector<std::string> events;
  trainer_for(net).fit(
      three_blobs(20, 1),
      {.epochs = 2, .batch_size = 10, .callbacks = {std::make_shared<Recorder>(events)}});
  const std::vector<std::string> expected{"began 0/0", "epoch 0/0", "step 0/1", "save 0/1",
                                          "step 0/2",  "save 0/2",  "end 0/2",  "save 1/0",
                                          "epoch 1/0", "step 1/1",  "save 1/1", "step 1/2",
                                          "save 1/2",  "end 1/2",   "save 2/0", "ended 2/0"};
  BOOST_TEST(events == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_callback_sees_the_running_means_and_may_stop_the_run) {
  auto net = small_net<float>();
  auto trainer = trainer_for(net);
  std::vector<double> losses;
  const History history = trainer.fit(
      three_blobs(40, 1),
      {.epochs = 5, .batch_size = 10, .callbacks = {on_step_end([&](TrainingRun& run) {
                                        losses.push_back(run.value("loss"));
                                        BOOST_TEST(run.examples == run.step * 10);
                                        BOOST_TEST(run.steps_per_epoch == 4);
                                        BOOST_CHECK_THROW(run.value("val_loss"), ArgumentError);
                                        BOOST_CHECK_THROW(run.save("nowhere", 1, "x"), StateError);
                                        if (run.epoch == 1 && run.step == 2) run.stop("enough");
                                      })}});
  BOOST_TEST(losses.size() == 6u);
  BOOST_TEST(losses[3] == history.at("loss")[0]);
  BOOST_TEST(history.epochs() == 1);
  BOOST_TEST(history.stop_reason == "enough");
  BOOST_TEST(!history.interrupted);
}

BOOST_AUTO_TEST_CASE(early_stopping_waits_for_patience_epochs_without_improvement) {
  const auto stops_after = [](const EarlyStoppingOptions& options, bool larger,
                              const std::vector<double>& values) {
    ScriptedRun run;
    run.larger = larger;
    const int epochs = run.play(*early_stopping(options), values);
    return run.stopped.empty() ? 0 : epochs;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST(stops_after({.patience = 2}, false, {5, 4, 4, 3, 3, 3, 1}) == 6);
  BOOST_TEST(stops_after({.patience = 0}, false, {5, 4, 4, 3}) == 3);
  BOOST_TEST(stops_after({.patience = 1}, false, {5, 4, 4, 3}) == 3);
  BOOST_TEST(stops_after({.patience = 3}, false, {5, 4, 4, 3, 3, 3}) == 0);
  BOOST_TEST(stops_after({.min_delta = 0.5, .patience = 2}, false, {5, 4.6, 4.4, 4.3, 4}) == 5);
  BOOST_TEST(stops_after({.patience = 2}, true, {1, 2, 3, 2, 2}) == 5);
  BOOST_TEST(stops_after({.patience = 2, .mode = MonitorMode::max}, false, {1, 2, 2, 2}) == 4);
  BOOST_TEST(stops_after({.patience = 2, .mode = MonitorMode::min}, true, {1, 2, 2, 2}) == 3);
  BOOST_TEST(stops_after({.patience = 2}, false, {nan, 3, nan, nan, 1}) == 4);

  ScriptedRun run;
  run.play(*early_stopping({.patience = 2}), {0.5, 0.25, 0.3, 0.4});
  BOOST_TEST(run.stopped == "val_loss has not improved for 2 epochs, best 0.25");
}

BOOST_AUTO_TEST_CASE(early_stopping_begins_afresh_with_a_new_run) {
  const auto callback = early_stopping({.patience = 2});
  ScriptedRun first, second;
  first.play(*callback, {1, 2, 2});
  BOOST_TEST(second.play(*callback, {5, 4, 4.5, 3}) == 4);
  BOOST_TEST(second.stopped.empty());
}

BOOST_AUTO_TEST_CASE(reduce_on_plateau_by_hand) {
  const auto rates = [](const ReduceOnPlateauOptions& options, const std::vector<double>& values) {
    std::vector<double> result;
    ScriptedRun run;
    const auto callback = reduce_on_plateau(options);
    callback->training_began(run);
    for (const double value : values) {
      run.current = value;
      callback->epoch_ended(run);
      result.push_back(run.rate);
    }
    return result;
  };
  const std::vector<double> values{5, 4, 4, 4, 4, 4};
  const std::vector<double> keras{1, 1, 1, 0.5, 0.5, 0.25};
  const std::vector<double> torch{1, 1, 1, 1, 0.5, 0.5};
  const std::vector<double> cooled{1, 1, 1, 0.5, 0.5, 0.5};
  const std::vector<double> bounded{1, 1, 1, 0.5, 0.5, 0.4};
  BOOST_TEST(rates({.factor = 0.5, .patience = 2}, values) == keras);
  BOOST_TEST(rates({.factor = 0.5, .patience = 2, .formula = OptimizerFormula::pytorch}, values) ==
             torch);
  BOOST_TEST(rates({.factor = 0.5, .patience = 2, .cooldown = 2}, values) == cooled);
  BOOST_TEST(rates({.factor = 0.5, .patience = 2, .min_learning_rate = 0.4}, values) == bounded);
}

BOOST_AUTO_TEST_CASE(reduce_on_plateau_neither_raises_the_rate_nor_lowers_it_by_next_to_nothing) {
  for (const OptimizerFormula formula : {OptimizerFormula::keras, OptimizerFormula::pytorch}) {
    Plateau low({.patience = 0, .min_learning_rate = 2, .formula = formula}, false);
    for (int epoch = 0; epoch < 4; ++epoch) BOOST_TEST(low.next(5, 1) == 1);
  }
  const auto after_two = [](const ReduceOnPlateauOptions& options) {
    Plateau plateau(options, false);
    plateau.next(5, 1);
    return plateau.next(5, 1);
  };
  const auto torch = OptimizerFormula::pytorch;
  BOOST_TEST(after_two({.factor = 0.75, .patience = 0, .formula = torch, .epsilon = 0.25}) == 1);
  BOOST_TEST(after_two({.factor = 0.75, .patience = 0, .formula = torch, .epsilon = 0.24}) == 0.75);
  BOOST_TEST(after_two({.factor = 0.75, .patience = 0, .epsilon = 0.25}) == 0.75);
}

BOOST_AUTO_TEST_CASE(learning_rate_schedule_sets_the_rate_of_every_epoch) {
  auto net = small_net<float>();
  auto trainer = trainer_for(net);
  const History history = trainer.fit(
      three_blobs(20, 1), {.epochs = 5,
                           .batch_size = 10,
                           .callbacks = {learning_rate_schedule(
                               step_decay({.learning_rate = 0.4, .step_size = 2, .gamma = 0.5}))}});
  const std::vector<double> expected{0.4, 0.4, 0.2, 0.2, 0.1};
  BOOST_TEST(history.at("learning_rate") == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(csv_log_writes_a_line_per_epoch) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "log.csv").string();
  auto net = small_net<float>();
  auto trainer = trainer_for(net);
  for (const std::int64_t epochs : {3, 2}) {  // a new run replaces the file
    const History history = trainer.fit(three_blobs(20, 1), {.epochs = epochs,
                                                             .batch_size = 10,
                                                             .validation = three_blobs(10, 2),
                                                             .callbacks = {csv_log(path)}});
    std::istringstream lines(content(path));
    std::string line;
    std::getline(lines, line);
    BOOST_TEST(line == "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate");
    for (std::size_t epoch = 0; epoch < static_cast<std::size_t>(epochs); ++epoch) {
      std::getline(lines, line);
      std::istringstream fields(line);
      std::string field;
      std::getline(fields, field, ',');
      BOOST_TEST(field == std::to_string(epoch + 1));
      for (const std::string& name : history.names()) {
        BOOST_REQUIRE(std::getline(fields, field, ','));
        BOOST_TEST(std::stod(field) == history.at(name)[epoch]);
      }
    }
    BOOST_TEST(!std::getline(lines, line));
  }
}

BOOST_AUTO_TEST_CASE(a_log_that_cannot_be_written_ends_the_run_before_it_begins) {
  auto net = small_net<float>();
  auto trainer = trainer_for(net);
  refuses<DataError>(
      "[csv_log] the file must be writable; got /nonexistent/log.csv: No such file or directory",
      [&] { trainer.fit(three_blobs(20, 1), {.callbacks = {csv_log("/nonexistent/log.csv")}}); });
  BOOST_TEST(trainer.optimizer().iterations() == 0);
  if (std::ifstream("/dev/full")) {
    refuses<DataError>(
        "[csv_log] the file must be writable; got /dev/full: No space left on device",
        [&] { trainer.fit(three_blobs(20, 1), {.callbacks = {csv_log("/dev/full")}}); });
  }
}

BOOST_AUTO_TEST_CASE(checkpoints_come_when_they_are_asked_for) {
  const TemporaryFolder folder;
  const auto count = [&](const CheckpointOptions& given, std::int64_t epochs) {
    const std::string name = "run" + std::to_string(std::rand());
    CheckpointOptions options = given;
    options.folder = (folder.path() / name).string();
    auto net = small_net<float>();
    trainer_for(net).fit(three_blobs(40, 1),
                         {.epochs = epochs, .batch_size = 10, .callbacks = {checkpoint(options)}});
    return list_generations(options.folder).size();
  };
  BOOST_TEST(count({.folder = "x", .keep = 10}, 3) == 3u);
  BOOST_TEST(count({.folder = "x", .keep = 2}, 3) == 2u);
  BOOST_TEST(count({.folder = "x", .keep = 10, .every_epochs = 2}, 5) == 3u);  // and the last
  BOOST_TEST(count({.folder = "x", .keep = 100, .every_steps = 2}, 2) == 6u);
}

// A run that is killed between the two would take the best for written.
BOOST_AUTO_TEST_CASE(the_best_is_written_before_the_checkpoint_that_remembers_it) {
  ScriptedRun run;
  const auto saves = checkpoint({.folder = "x", .best = "val_loss"});
  run.play(*saves, {3});
  saves->save_point(run);
  BOOST_TEST(run.saved == std::vector<std::string>({"best", "checkpoint"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_run_that_a_callback_ends_is_saved) {
  const TemporaryFolder folder;
  auto net = small_net<float>();
  std::int64_t steps = 0;
  const auto stopper = on_step_end([&](TrainingRun& run) {
    if (++steps == 6) run.stop("");
  });
  const History history = trainer_for(net).fit(
      three_blobs(40, 1),
      {.epochs = 9,
       .batch_size = 10,
       .callbacks = {checkpoint({.folder = folder.path().string(), .every_epochs = 4}), stopper}});
  BOOST_TEST(steps == 6);
  BOOST_TEST(history.stop_reason == "a callback ended the run");
  BOOST_TEST(list_generations(folder.path().string()).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_run_that_ends_in_a_save_point_is_saved) {
  struct Stopper : Callback {
    std::string name() const override { return "stopper"; }
    void save_point(TrainingRun& run) override {
      if (run.step == 2) run.stop("enough");
    }
  };
  for (const bool background : {false, true}) {
    const TemporaryFolder folder;
    auto net = small_net<float>();
    Trainer<float> trainer = trainer_for(net);
    const std::string path = folder.path().string();
    const FitOptions options{.batch_size = 10,
                             .callbacks = {checkpoint({.folder = path, .background = background}),
                                           std::make_shared<Stopper>()}};
    BOOST_TEST(trainer.fit(three_blobs(40, 1), options).stop_reason == "enough");
    BOOST_TEST(list_generations(path).size() == 1u);
    auto again = small_net<float>();
    Trainer<float> resumed = trainer_for(again);
    resumed.resume(path);
    BOOST_TEST(same_values(values_of(again), values_of(net)));
  }
}

BOOST_AUTO_TEST_CASE(checkpoints_of_the_background_have_the_same_bytes) {
  const TemporaryFolder folder;
  std::vector<std::string> contents[2];
  for (const bool background : {false, true}) {
    const std::string path = (folder.path() / (background ? "b" : "f")).string();
    auto net = small_net<float>();
    trainer_for(net).fit(three_blobs(40, 1),
                         {.epochs = 3,
                          .batch_size = 10,
                          .callbacks = {checkpoint({.folder = path,
                                                    .keep = 100,
                                                    .every_steps = 1,
                                                    .best = "loss",
                                                    .background = background})}});
    for (const char* prefix : {"checkpoint", "best"}) {
      for (const auto& file : list_generations(path, {.prefix = prefix})) {
        contents[background].push_back(content(file));
      }
    }
  }
  BOOST_TEST(contents[0].size() == 16u);
  BOOST_TEST((contents[0] == contents[1]));
}

BOOST_AUTO_TEST_CASE(a_save_of_the_background_that_fails_ends_the_run) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "no folder";
  auto net = small_net<float>();
  BOOST_CHECK_THROW(
      trainer_for(net).fit(three_blobs(20, 1),
                           {.callbacks = {checkpoint({.folder = (folder.path() / "file").string(),
                                                      .background = true})}}),
      CheckpointError);
}

BOOST_AUTO_TEST_CASE(the_best_epoch_is_kept_besides) {
  const TemporaryFolder folder;
  const std::string path = folder.path().string();
  auto net = small_net<float>();
  auto trainer = trainer_for(net, 0.5);
  const Dataset data = three_blobs(60, 1), other = three_blobs(40, 2);
  const History history = trainer.fit(
      data, {.epochs = 6,
             .batch_size = 10,
             .validation = other,
             .callbacks = {checkpoint({.folder = path, .keep = 1, .best = "val_loss"})}});
  const auto best = list_generations(path, {.prefix = "best"});
  BOOST_REQUIRE(best.size() == 1u);
  const auto& losses = history.at("val_loss");
  const double smallest = *std::min_element(losses.begin(), losses.end());
  load_checkpoint(best[0], net);
  BOOST_TEST(trainer.evaluate(other).at("loss") == smallest);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_that_cannot_be_written_is_an_error_of_its_type) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "no folder";
  auto net = small_net<float>();
  auto trainer = trainer_for(net);
  BOOST_CHECK_THROW(
      trainer.fit(three_blobs(20, 1),
                  {.callbacks = {checkpoint({.folder = (folder.path() / "file").string()})}}),
      CheckpointError);
}

BOOST_AUTO_TEST_CASE(callbacks_refuse_options_that_mean_nothing) {
  refuses<ArgumentError>("[early_stopping] patience must be at least 0; got -1",
                         [] { early_stopping({.patience = -1}); });
  refuses<ArgumentError>("[early_stopping] min_delta must be finite and at least 0; got -0.5",
                         [] { early_stopping({.min_delta = -0.5}); });
  refuses<ArgumentError>("[reduce_on_plateau] factor must lie in [0, 1); got 1",
                         [] { reduce_on_plateau({.factor = 1}); });
  refuses<ArgumentError>("[reduce_on_plateau] patience must be finite and at least 0; got -1",
                         [] { reduce_on_plateau({.patience = -1}); });
  refuses<ArgumentError>("[reduce_on_plateau] epsilon must be finite and at least 0; got -1",
                         [] { reduce_on_plateau({.epsilon = -1}); });
  refuses<ArgumentError>("[reduce_on_plateau] cooldown must be finite and at least 0; got -1",
                         [] { reduce_on_plateau({.cooldown = -1}); });
  refuses<ArgumentError>("[checkpoint] folder must not be empty; got ''",
                         [] { checkpoint({.folder = ""}); });
  refuses<ArgumentError>("[checkpoint] keep must be at least 1; got 0",
                         [] { checkpoint({.folder = "x", .keep = 0}); });
  refuses<ArgumentError>("[checkpoint] every_epochs must be at least 1; got 0",
                         [] { checkpoint({.folder = "x", .every_epochs = 0}); });
  refuses<ArgumentError>("[checkpoint] every_steps must be at least 0; got -1",
                         [] { checkpoint({.folder = "x", .every_steps = -1}); });
}

BOOST_AUTO_TEST_CASE(a_name_that_is_not_measured_is_refused_before_the_first_step) {
  auto net = small_net<float>();
  auto trainer = trainer_for(net);
  const auto check = [&](const std::string& who, const CallbackPointer& callback) {
    refuses<ArgumentError>(
        "[" + who +
            "] monitor must be a name that the run measures; got 'val_loss', expected loss, "
            "accuracy, learning_rate",
        [&] { trainer.fit(three_blobs(20, 1), {.callbacks = {callback}}); });
  };
  check("early_stopping", early_stopping());
  check("reduce_on_plateau", reduce_on_plateau());
  check("checkpoint", checkpoint({.folder = "unused", .best = "val_loss"}));
  BOOST_TEST(trainer.optimizer().iterations() == 0);
}
