// Training runs that are killed (SIGKILL) after some step, and go on in another process's place
// with another number of threads: they must end in the bytes of a run that nobody disturbed.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "support/files.hpp"
#include "support/sanitizers.hpp"
#include "training/support.hpp"

namespace lamina::test {

struct Killed {};

// What a run leaves.
struct Outcome {
  std::string checkpoint, log, best;
  std::vector<double> losses;
};

inline Outcome outcome(const std::string& folder, const History& history) {
  return {read_bytes(list_generations(folder).back()), read_bytes(folder + "/log.csv"),
          read_bytes(list_generations(folder, {.prefix = "best"}).back()), history.at("val_loss")};
}

inline void check_same(const Outcome& a, const Outcome& b) {
  BOOST_TEST((a.checkpoint == b.checkpoint));
  BOOST_TEST(a.log == b.log);
  BOOST_TEST((a.best == b.best));
  BOOST_TEST(a.losses == b.losses, boost::test_tools::per_element());
}

struct KilledRunKind {
  std::string name;
  OptimizerFactory optimizer;
  bool constant_rate = false;  // then a callback changes it
};

// Every optimizer: with few options and with all that hold state or look at the step.
inline std::vector<KilledRunKind> killed_run_kinds() {
  constexpr std::int64_t kSteps = 40;
  constexpr auto kPyTorch = OptimizerFormula::pytorch;
  const Schedule decay =
      exponential_decay({.initial_learning_rate = 0.05, .decay_steps = 5, .decay_rate = 0.9});
  return {
      {"sgd", sgd({.learning_rate = 0.1}), true},
      {"sgd, nesterov, clipped",
       sgd({.learning_rate = cosine_decay({.initial_learning_rate = 0.1, .decay_steps = kSteps}),
            .momentum = 0.9,
            .nesterov = true,
            .clipnorm = 0.5})},
      {"sgd, one cycle, decay", sgd({.learning_rate = one_cycle({.total_steps = kSteps}),
                                     .momentum = one_cycle_momentum({.total_steps = kSteps}),
                                     .weight_decay = 1e-3,
                                     .exclude_from_weight_decay = no_decay_on_normalization()})},
      {"sgd of PyTorch, dampened, groups",
       sgd({.learning_rate = step_decay({.learning_rate = 0.1, .step_size = 6}),
            .momentum = 0.9,
            .weight_decay = 0.01,
            .dampening = 0.1,
            .groups = {{.pattern = "dense.*", .learning_rate_factor = 0.5}},
            .formula = kPyTorch})},
      {"rmsprop", rmsprop({.learning_rate = 0.01}), true},
      {"rmsprop, centered, accumulating", rmsprop({.learning_rate = decay,
                                                   .momentum = 0.5,
                                                   .centered = true,
                                                   .clipvalue = 0.1,
                                                   .gradient_accumulation_steps = 3})},
      {"rmsprop of PyTorch", rmsprop({.learning_rate = inverse_time_decay({.decay_steps = 10}),
                                      .momentum = 0.9,
                                      .weight_decay = 0.01,
                                      .formula = kPyTorch})},
      {"adam", adam({.learning_rate = 0.01}), true},
      {"adam, amsgrad, accumulating",
       adam({.learning_rate =
                 polynomial_decay({.initial_learning_rate = 0.05, .decay_steps = kSteps}),
             .amsgrad = true,
             .gradient_accumulation_steps = 2})},
      {"adam of PyTorch",
       adam({.learning_rate = multi_step_decay({.learning_rate = 0.02, .milestones = {5, 12}}),
             .weight_decay = 0.01,
             .formula = kPyTorch})},
      {"adamw, accumulating",
       adamw({.learning_rate = decay, .weight_decay = 0.01, .gradient_accumulation_steps = 2})},
      {"adamw, amsgrad, clipped, groups",
       adamw({.learning_rate =
                  piecewise_constant({.boundaries = {6, 15}, .values = {0.05, 0.02, 0.01}}),
              .weight_decay = 0.02,
              .amsgrad = true,
              .global_clipnorm = 0.5,
              .exclude_from_weight_decay = no_decay_on_normalization(),
              .groups = {{.pattern = "dense_1.*", .trainable = false}}})}};
}

// One process's part of a run over shuffled data, with renormalized statistics, dropout, validation
// and early stopping; everything is made anew. 7 steps make an epoch, the last of fewer examples;
// it stops early, after 4 of 6 epochs.
class KilledRun {
 public:
  static constexpr std::int64_t kSteps = 28;

  KilledRun(std::string folder, const KilledRunKind& kind, bool background)
      : folder_(std::move(folder)),
        kind_(kind),
        background_(background),
        trainer_(net_, {.loss = SoftmaxCrossEntropy(),
                        .optimizer = kind.optimizer,
                        .metrics = {accuracy(), top_k(2)}}) {}

  // Goes on where the folder's newest checkpoint stands; begins where there is none yet.
  History fit(CallbackList extra = {}) {
    if (!list_generations(folder_).empty()) trainer_.resume(folder_);
    FitOptions options{.epochs = 6, .batch_size = 9, .validation = three_blobs(20, 2), .seed = 11};
    options.callbacks = {csv_log(folder_ + "/log.csv"),
                         checkpoint({.folder = folder_,
                                     .keep = 2,
                                     .every_steps = 3,
                                     .best = "val_loss",
                                     .background = background_}),
                         early_stopping({.monitor = "val_loss", .min_delta = 10, .patience = 3})};
    if (kind_.constant_rate) {
      options.callbacks.push_back(
          reduce_on_plateau({.monitor = "loss", .factor = 0.5, .patience = 1, .min_delta = 0.3}));
    }
    options.callbacks.insert(options.callbacks.end(), extra.begin(), extra.end());
    return trainer_.fit(three_blobs(60, 1), options);
  }

  // The same until `step`, then the end of the process, in the middle of what other threads do.
  void fit_until_killed(std::int64_t step) {
    std::int64_t steps = 0;
    const auto killer = on_step_end([&](TrainingRun&) {
      if (++steps < step) return;
      if (kThreadSanitizer) throw Killed();  // it cannot follow into a child with threads
      raise(SIGKILL);
    });
    if (kThreadSanitizer) {
      BOOST_CHECK_THROW(fit({killer}), Killed);
      return;
    }
    const pid_t child = fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      try {
        fit({killer});
      } catch (...) {
      }
      _exit(1);  // not reached
    }
    int status = 0;
    waitpid(child, &status, 0);
    BOOST_TEST(WIFSIGNALED(status));
  }

 private:
  static Sequential<float> network() {
    Sequential<float> net;
    net.add<Dense>({.units = 13, .kernel_regularizer = l2(1e-3)})
        .add<BatchNormalization>({.momentum = 0.9, .renorm = true})
        .add<ReLU>()
        .add<Dropout>({.rate = 0.3})
        .add<Dense>({.units = 3});
    return net;
  }

  std::string folder_;
  KilledRunKind kind_;
  bool background_;
  Sequential<float> net_ = network();
  Trainer<float> trainer_;
};

inline bool holds_temporary_files(const std::string& folder) {
  const std::filesystem::directory_iterator files(folder);
  return std::any_of(begin(files), end(files), [](const auto& entry) {
    return entry.path().filename().string().starts_with(".");
  });
}

// `kills(n)`: after which steps the runs of the n-th kind are killed.
template <class Kills>
void resume_killed_runs(const Kills& kills) {
  const int threads_before = threads();
  const auto kinds = killed_run_kinds();
  int resumed = 0, from_a_checkpoint = 0;
  for (std::size_t n = 0; n < kinds.size(); ++n) {
    set_threads(1);
    const TemporaryFolder whole(Medium::memory);
    const std::string undisturbed = whole.path().string();
    const History history = KilledRun(undisturbed, kinds[n], true).fit();
    BOOST_TEST(history.epochs() == 4);
    BOOST_TEST(!history.stop_reason.empty());
    const Outcome expected = outcome(undisturbed, history);
    for (const std::int64_t step : kills(n)) {
      BOOST_TEST_CONTEXT(kinds[n].name << ", killed after step " << step) {
        const TemporaryFolder place(Medium::memory);
        const std::string folder = place.path().string();
        const bool background = step % 2 == 0;
        set_threads(1);
        KilledRun(folder, kinds[n], background).fit_until_killed(step);
        from_a_checkpoint += !list_generations(folder).empty();
        set_threads(2 + static_cast<int>(step % 2));
        check_same(outcome(folder, KilledRun(folder, kinds[n], background).fit()), expected);
        BOOST_TEST(!holds_temporary_files(folder));
        ++resumed;
      }
    }
  }
  set_threads(threads_before);
  BOOST_TEST(from_a_checkpoint > resumed / 2);  // the others were killed before there was one
  std::cout << resumed << " killed runs of " << kinds.size() << " kinds, " << from_a_checkpoint
            << " resumed from a checkpoint: all ended in the bytes of the whole run\n";
}

}  // namespace lamina::test
