// Callback: something that listens to a training run: shows it, stops it, saves it, changes its
// rate.
//
//   struct StopAtLoss : Callback {
//     std::string name() const override { return "stop_at_loss"; }
//     void epoch_ended(TrainingRun& run) override {
//       if (run.value("loss") < 0.01) run.stop("the loss is small enough");
//     }
//   };
//   trainer.fit(data, {.callbacks = {progress_bar(), std::make_shared<StopAtLoss>()}});
//
// Callbacks hear each event in the order of the list. Checkpoints are written at save_point, which
// comes after every callback has heard of the step or epoch, so that a resumed run finds all of
// them in the state of the same moment. What a callback must remember over a resume it lists in
// visit(). An exception of a callback ends the run and leaves fit(). Thread-safety: all calls come
// from the thread that called fit().
#pragma once

#include <cstdint>
#include <functional>
#include <lamina/training/history.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

// What a callback sees of the run, and what it may do to it.
class TrainingRun {
 public:
  virtual ~TrainingRun() = default;

  std::int64_t epoch = 0;            // the current one, from 0
  std::int64_t epochs = 0;           // how many there shall be
  std::int64_t step = 0;             // steps done in this epoch
  std::int64_t steps_per_epoch = 0;  //
  std::int64_t examples = 0;         // examples seen in this epoch
  bool resumed = false;              // this run goes on with a saved one
  bool interrupted = false;          // by Ctrl-C; the run ends after this save_point
  History history;                   // of the epochs that have ended

  // During an epoch the mean so far ("loss", metrics), in epoch_ended that of the epoch, validation
  // included. ArgumentError for a name that is not measured.
  virtual double value(const std::string& name) const = 0;
  // Whether a larger value of this name is better.
  virtual bool larger_is_better(const std::string& name) const = 0;

  virtual double learning_rate() const = 0;
  virtual void set_learning_rate(double rate) = 0;

  // Ends the run after this step or epoch. A run that goes on with its checkpoint has ended, too.
  virtual void stop(const std::string& reason) = 0;

  // Writes a checkpoint of everything into the folder, as <prefix>-<number>.lamina, and keeps the
  // last few. Returns its path.
  // Only in save_point and training_ended.
  virtual std::string save(const std::string& folder, int keep, const std::string& prefix) = 0;
  // The same beside the training (see serialization/background_saver.hpp): returns at once. What
  // goes wrong is thrown by the next save or at the end of the run.
  virtual void save_in_background(const std::string& folder, int keep, const std::string& prefix) {
    save(folder, keep, prefix);
  }
};

// StateVisitor without the tensor, so that a callback does not depend on the scalar type.
class ScalarVisitor {
 public:
  virtual ~ScalarVisitor() = default;
  virtual void operator()(std::string_view name, std::int64_t& value) = 0;
  virtual void operator()(std::string_view name, double& value) = 0;
  virtual void operator()(std::string_view name, std::string& value) = 0;
  virtual void operator()(std::string_view name, std::vector<double>& value) = 0;
};

class Callback {
 public:
  virtual ~Callback() = default;

  virtual std::string name() const = 0;
  // Forget a former run here, unless run.resumed.
  virtual void training_began(TrainingRun& run) { (void)run; }
  virtual void epoch_began(TrainingRun& run) { (void)run; }
  virtual void step_ended(TrainingRun& run) { (void)run; }
  virtual void epoch_ended(TrainingRun& run) { (void)run; }
  virtual void save_point(TrainingRun& run) { (void)run; }
  virtual void training_ended(TrainingRun& run) { (void)run; }

  virtual void visit(ScalarVisitor& visitor) { (void)visitor; }
};

using CallbackPointer = std::shared_ptr<Callback>;
using CallbackList = std::vector<CallbackPointer>;

// A function that is called after every epoch, or after every step.
CallbackPointer on_epoch_end(std::function<void(TrainingRun&)> function);
CallbackPointer on_step_end(std::function<void(TrainingRun&)> function);

}  // namespace lamina
