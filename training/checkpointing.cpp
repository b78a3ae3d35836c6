#include <fmt/format.h>

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/training/checkpointing.hpp>
#include <optional>

namespace lamina {

namespace {

class Checkpointing final : public Callback {
 public:
  explicit Checkpointing(const CheckpointOptions& o) : options_(o) {
    require(!options_.folder.value.empty(), "folder must not be empty; got ''");
    require(o.keep >= 1, fmt::format("keep must be at least 1; got {}", o.keep));
    require(o.every_epochs >= 1,
            fmt::format("every_epochs must be at least 1; got {}", o.every_epochs));
    require(o.every_steps >= 0,
            fmt::format("every_steps must be at least 0; got {}", o.every_steps));
    if (!o.best.empty()) monitor_.emplace(name(), o.best, o.mode, 0);
  }

  std::string name() const override { return "checkpoint"; }

  void training_began(TrainingRun& run) override {
    due_ = best_due_ = false;
    saved_ = true;
    if (monitor_) monitor_->begin(run);
  }
  void step_ended(TrainingRun& run) override {
    saved_ = false;
    due_ = options_.every_steps > 0 && run.step % options_.every_steps == 0;
  }
  void epoch_ended(TrainingRun& run) override {
    due_ = (run.epoch + 1) % options_.every_epochs == 0 || run.epoch + 1 == run.epochs;
    best_due_ = monitor_ && monitor_->improved(run);
  }
  void save_point(TrainingRun& run) override {
    const bool ends = run.interrupted || !run.history.stop_reason.empty();
    // The best first: a checkpoint says that it was written.
    if (best_due_) save(run, 1, "best");
    if (due_ || ends) save_last(run);
    due_ = best_due_ = false;
  }
  // A callback may have ended the run in the last save point, behind this one.
  void training_ended(TrainingRun& run) override {
    if (!saved_ && !run.history.stop_reason.empty()) save_last(run);
  }

  void visit(ScalarVisitor& visitor) override {
    if (monitor_) monitor_->visit(visitor);
  }

 private:
  void save_last(TrainingRun& run) {
    save(run, options_.keep, "checkpoint");
    saved_ = true;
  }
  void save(TrainingRun& run, int keep, const std::string& prefix) const {
    if (options_.background) {
      run.save_in_background(options_.folder, keep, prefix);
    } else {
      run.save(options_.folder, keep, prefix);
    }
  }
  void require(bool holds, const std::string& message) const {
    if (!holds) throw ArgumentError(name(), message);
  }

  CheckpointOptions options_;
  std::optional<Monitor> monitor_;
  bool due_ = false, best_due_ = false;
  bool saved_ = true;  // all steps of this run, so far
};

}  // namespace

CallbackPointer checkpoint(const CheckpointOptions& options) {
  return std::make_shared<Checkpointing>(options);
}

}  // namespace lamina
