#include <fmt/format.h>

#include <algorithm>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/training/early_stopping.hpp>

namespace lamina {

namespace {

class EarlyStopping final : public Callback {
 public:
  explicit EarlyStopping(const EarlyStoppingOptions& o)
      : monitor_(name(), o.monitor, o.mode, o.min_delta), patience_(o.patience) {
    if (patience_ < 0) {
      throw ArgumentError(name(), fmt::format("patience must be at least 0; got {}", patience_));
    }
  }

  std::string name() const override { return "early_stopping"; }

  void training_began(TrainingRun& run) override {
    monitor_.begin(run);
    if (!run.resumed) waited_ = 0;
  }

  void epoch_ended(TrainingRun& run) override {
    if (monitor_.improved(run)) {
      waited_ = 0;
      return;
    }
    if (++waited_ < std::max<std::int64_t>(1, patience_)) return;
    run.stop(fmt::format("{} has not improved for {} epoch{}, best {:.6g}", monitor_.name(),
                         waited_, waited_ == 1 ? "" : "s", monitor_.best()));
  }

  void visit(ScalarVisitor& visitor) override {
    monitor_.visit(visitor);
    visitor("waited", waited_);
  }

 private:
  Monitor monitor_;
  std::int64_t patience_;
  std::int64_t waited_ = 0;
};

}  // namespace

CallbackPointer early_stopping(const EarlyStoppingOptions& options) {
  return std::make_shared<EarlyStopping>(options);
}

}  // namespace lamina
