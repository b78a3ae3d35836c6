#include <lamina/training/callback.hpp>

namespace lamina {

namespace {

class FunctionCallback final : public Callback {
 public:
  FunctionCallback(std::function<void(TrainingRun&)> after_step,
                   std::function<void(TrainingRun&)> after_epoch)
      : after_step_(std::move(after_step)), after_epoch_(std::move(after_epoch)) {}

  std::string name() const override { return "function"; }
  void step_ended(TrainingRun& run) override {
    if (after_step_) after_step_(run);
  }
  void epoch_ended(TrainingRun& run) override {
    if (after_epoch_) after_epoch_(run);
  }

 private:
  std::function<void(TrainingRun&)> after_step_, after_epoch_;
};

}  // namespace

CallbackPointer on_epoch_end(std::function<void(TrainingRun&)> function) {
  return std::make_shared<FunctionCallback>(nullptr, std::move(function));
}

CallbackPointer on_step_end(std::function<void(TrainingRun&)> function) {
  return std::make_shared<FunctionCallback>(std::move(function), nullptr);
}

}  // namespace lamina
