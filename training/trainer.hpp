// Trainer: trains, evaluates and applies a network on data sets.
//
//   Trainer<float> trainer(net, {.loss = SoftmaxCrossEntropy(),
//                                .optimizer = adam({.learning_rate = 1e-3}),
//                                .metrics = {accuracy()}});
//   History history = trainer.fit(mnist.train, {.epochs = 5, .batch_size = 128,
//       .validation = mnist.test, .seed = 42,
//       .callbacks = {progress_bar(), checkpoint({.folder = "run"})}});
//   Scores scores = trainer.evaluate(mnist.test);      // scores.at("accuracy")
//   Tensor<float> logits = trainer.predict(mnist.test);
//
// The loss of an epoch is the mean over its examples, penalties of regularizers included, each
// batch taken before its update. Evaluation records nothing, in batches, with the moving
// statistics.
//
// What layers warn of (evaluation by statistics that no training has updated, say) goes to standard
// error, once each; .warnings takes another listener, or null for silence.
//
// Resuming: checkpoint() saves the whole state; `trainer.resume("run")` loads it, and the next
// fit(), with the same options (epochs may grow), ends in the same bits as a run that was never
// interrupted. Ctrl-C during fit() ends it after the step, with a checkpoint where that callback is
// there; the history says so, and the former signal handler is back when fit() returns.
//
// Errors: ArgumentError (options), DataError (data), ShapeError and what layers and loss throw,
// NumericError (a loss that is not finite: names the step and the first module whose output was
// not), StateError (evaluation of a network never built; resuming with other options),
// CheckpointError. A step that fails changes nothing (detail/training_step.hpp). The network must
// outlive the trainer. Thread-safety: one thread at a time.
#pragma once

#include <lamina/data/dataset.hpp>
#include <lamina/nn/module.hpp>
#include <lamina/nn/options.hpp>
#include <lamina/nn/printed_warnings.hpp>
#include <lamina/optim/factory.hpp>
#include <lamina/serialization/generations.hpp>
#include <lamina/training/callback.hpp>
#include <lamina/training/loss_function.hpp>
#include <lamina/training/metric.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lamina {

template <Scalar T>
struct TrainerOptions {
  Required<LossFunction<T>> loss;
  OptimizerFactory optimizer;
  MetricList metrics = {};
  // Hears what layers have to say in training and evaluation; null: nobody does.
  std::shared_ptr<Warnings> warnings = std::make_shared<PrintedWarnings>();
};

struct FitOptions {
  std::int64_t epochs = 1;
  std::int64_t batch_size = 32;
  std::optional<Dataset> validation = {};
  // Of initial values, dropout and the order of the examples. A later fit() of the same trainer
  // goes on with random numbers and orders of its own.
  std::uint64_t seed = 42;
  CallbackList callbacks = {};
  bool shuffle = true;
  bool drop_last = false;     // leave out a last batch of fewer examples
  std::int64_t prefetch = 2;  // batches prepared ahead
  std::int64_t validation_batch_size = 256;
  bool handle_interrupt = true;  // whether Ctrl-C ends the run cleanly
};

struct EvaluateOptions {
  std::int64_t batch_size = 256;
};

// "loss" and the metrics, in this order.
class Scores {
 public:
  void add(std::string name, double value) { values_.emplace_back(std::move(name), value); }
  // ArgumentError for a name that is not there.
  double at(const std::string& name) const;
  const std::vector<std::pair<std::string, double>>& values() const noexcept { return values_; }

 private:
  std::vector<std::pair<std::string, double>> values_;
};

template <Scalar T>
class Trainer {
 public:
  Trainer(Module<T>& net, TrainerOptions<T> options);

  History fit(const Dataset& data, const FitOptions& options = {});
  Scores evaluate(const Dataset& data, const EvaluateOptions& options = {});
  // The outputs for all examples, along axis 0.
  Tensor<T> predict(const Dataset& data, const EvaluateOptions& options = {});

  // Loads network and optimizer from the newest checkpoint of the folder that is whole; the next
  // fit() goes on from there. Says which file it was, and what was wrong with newer ones.
  LoadedGeneration resume(const std::string& folder);

  Module<T>& net() noexcept { return net_; }
  Optimizer<T>& optimizer() noexcept { return *optimizer_; }

 private:
  Module<T>& net_;
  TrainerOptions<T> options_;
  std::unique_ptr<Optimizer<T>> optimizer_;
  std::string resume_path_;        // of the checkpoint that the next fit() goes on from
  std::int64_t random_steps_ = 0;  // steps of former fits, whose random numbers are used up
};

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace lamina
