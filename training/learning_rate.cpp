#include <algorithm>
#include <cmath>
#include <lamina/optim/detail/check.hpp>
#include <lamina/training/learning_rate.hpp>
#include <limits>

namespace lamina {

namespace {

class ScheduleCallback final : public Callback {
 public:
  explicit ScheduleCallback(Schedule schedule) : schedule_(std::move(schedule)) {}
  std::string name() const override { return "learning_rate_schedule"; }
  void epoch_began(TrainingRun& run) override { run.set_learning_rate(schedule_(run.epoch)); }

 private:
  Schedule schedule_;
};

void check(const ReduceOnPlateauOptions& o) {
  const char* who = "reduce_on_plateau";
  detail::fraction(who, "factor", o.factor);
  detail::at_least(who, "patience", static_cast<double>(o.patience), 0);
  detail::at_least(who, "min_delta", o.min_delta, 0);
  detail::at_least(who, "cooldown", static_cast<double>(o.cooldown), 0);
  detail::at_least(who, "min_learning_rate", o.min_learning_rate, 0);
  detail::at_least(who, "epsilon", o.epsilon, 0);
}

class PlateauCallback final : public Callback {
 public:
  explicit PlateauCallback(const ReduceOnPlateauOptions& o)
      : options_(o), monitor_(name(), o.monitor, o.mode, 0), plateau_(o, false) {}

  std::string name() const override { return "reduce_on_plateau"; }

  void training_began(TrainingRun& run) override {
    monitor_.begin(run);
    const Plateau former = plateau_;
    const bool larger = options_.mode == MonitorMode::automatic
                            ? run.larger_is_better(options_.monitor)
                            : options_.mode == MonitorMode::max;
    plateau_ = Plateau(options_, larger);
    if (!run.resumed) return;
    plateau_.best = former.best;
    plateau_.bad_epochs = former.bad_epochs;
    plateau_.cooling = former.cooling;
  }
  void epoch_ended(TrainingRun& run) override {
    const double rate = run.learning_rate();
    const double next = plateau_.next(run.value(options_.monitor), rate);
    if (next != rate) run.set_learning_rate(next);
  }
  void visit(ScalarVisitor& visitor) override {
    visitor("best", plateau_.best);
    visitor("bad_epochs", plateau_.bad_epochs);
    visitor("cooling", plateau_.cooling);
  }

 private:
  ReduceOnPlateauOptions options_;
  Monitor monitor_;
  Plateau plateau_;
};

}  // namespace

Plateau::Plateau(const ReduceOnPlateauOptions& options, bool larger_is_better)
    : best(std::numeric_limits<double>::quiet_NaN()), options_(options), larger_(larger_is_better) {
  check(options);
}

bool Plateau::better(double value) const {
  if (std::isnan(value)) return false;
  if (std::isnan(best)) return true;
  const double bound = options_.relative ? options_.min_delta * best : options_.min_delta;
  return larger_ ? value > best + bound : value < best - bound;
}

double Plateau::next(double value, double rate) {
  const bool torch = options_.formula == OptimizerFormula::pytorch;
  const bool improves = better(value);
  if (improves) {
    best = value;
    bad_epochs = 0;
  }
  if (torch) {
    if (!improves) ++bad_epochs;
    if (cooling > 0) {
      --cooling;
      bad_epochs = 0;
    }
    if (bad_epochs <= options_.patience) return rate;
  } else {
    if (cooling > 0) {
      --cooling;
      bad_epochs = 0;
    }
    if (improves || cooling > 0) return rate;
    if (++bad_epochs < options_.patience) return rate;
    if (rate <= options_.min_learning_rate) return rate;
  }
  cooling = options_.cooldown;
  bad_epochs = 0;
  const double reduced = std::max(rate * options_.factor, options_.min_learning_rate);
  return torch && rate - reduced <= options_.epsilon ? rate : reduced;
}

CallbackPointer learning_rate_schedule(const Schedule& schedule) {
  return std::make_shared<ScheduleCallback>(schedule);
}

CallbackPointer reduce_on_plateau(const ReduceOnPlateauOptions& options) {
  return std::make_shared<PlateauCallback>(options);
}

}  // namespace lamina
