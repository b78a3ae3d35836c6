// Schedule: a number as a function of the update step, for learning rates (and SGD's momentum).
//
//   adam({.learning_rate = 1e-3})                                    // a number is a constant
//   schedule sgd({.learning_rate = cosine_decay({.initial_learning_rate = 0.1, .decay_steps =
//   10000})})
//
// Steps count updates of the optimizer from 0. Every schedule is defined for every step >= 0; after
// its last step it keeps its last value. Formulas and boundaries: Keras 3 (exponential_decay,
// inverse_time_decay, piecewise_constant, polynomial_decay, cosine_decay) and PyTorch (step_decay,
// multi_step_decay, linear_schedule, one_cycle).
// A schedule is a value: two are equal when name and numbers are, and its text form, which a
// checkpoint holds, gives it back. A user's own function is a schedule too, but has no text.
// Errors: ArgumentError naming the schedule for numbers outside their range.
// Thread-safety: immutable.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

class Schedule {
 public:
  Schedule(double value) : name_("constant"), numbers_{value} {}  // NOLINT: implicit by intent
  explicit Schedule(std::function<double(std::int64_t)> function);

  double operator()(std::int64_t step) const;

  bool is_constant() const noexcept { return name_ == "constant"; }
  const std::string& name() const noexcept { return name_; }

  // "exponential_decay(0.1,1000,0.96,0)"; "custom()" for a user's function.
  std::string to_string() const;
  // ArgumentError for a text that to_string() did not write, and for "custom()".
  static Schedule parse(std::string_view text);

  // What the functions below are made of: a known name and as many numbers as it takes.
  Schedule(std::string name, std::vector<double> numbers);

  bool operator==(const Schedule& other) const {
    return name_ == other.name_ && numbers_ == other.numbers_ && !function_ && !other.function_;
  }

 private:
  std::string name_;
  std::vector<double> numbers_;
  std::function<double(std::int64_t)> function_;
};

// initial * decay_rate^(step / decay_steps); staircase takes the whole part of the quotient.
struct ExponentialDecayOptions {
  double initial_learning_rate = 0.1;
  std::int64_t decay_steps = 1000;
  double decay_rate = 0.96;
  bool staircase = false;
};
Schedule exponential_decay(const ExponentialDecayOptions& options);

// initial / (1 + decay_rate * step / decay_steps)
struct InverseTimeDecayOptions {
  double initial_learning_rate = 0.1;
  std::int64_t decay_steps = 1000;
  double decay_rate = 0.5;
  bool staircase = false;
};
Schedule inverse_time_decay(const InverseTimeDecayOptions& options);

// values[i] up to and including step boundaries[i], the last value after that; one more value than
// boundaries.
struct PiecewiseConstantOptions {
  std::vector<std::int64_t> boundaries;
  std::vector<double> values;
};
Schedule piecewise_constant(const PiecewiseConstantOptions& options);

// (initial - end) * (1 - step / decay_steps)^power + end; power 1 is a straight line. With cycle
// the next multiple of decay_steps takes the place of decay_steps.
struct PolynomialDecayOptions {
  double initial_learning_rate = 0.1;
  std::int64_t decay_steps = 1000;
  double end_learning_rate = 1e-4;
  double power = 1;
  bool cycle = false;
};
Schedule polynomial_decay(const PolynomialDecayOptions& options);

// From initial to alpha * initial along half a cosine in decay_steps. With warmup_target: first
// straight from initial to the target in warmup_steps, then the cosine from the target.
struct CosineDecayOptions {
  double initial_learning_rate = 0.1;
  std::int64_t decay_steps = 1000;
  double alpha = 0;
  std::optional<double> warmup_target = {};
  std::int64_t warmup_steps = 0;
};
Schedule cosine_decay(const CosineDecayOptions& options);

// learning_rate * gamma^(step div step_size)
struct StepDecayOptions {
  double learning_rate = 0.1;
  std::int64_t step_size = 1000;
  double gamma = 0.1;
};
Schedule step_decay(const StepDecayOptions& options);

// learning_rate * gamma^(number of milestones <= step)
struct MultiStepDecayOptions {
  double learning_rate = 0.1;
  std::vector<std::int64_t> milestones;
  double gamma = 0.1;
};
Schedule multi_step_decay(const MultiStepDecayOptions& options);

// learning_rate * factor, the factor going straight from start to end in total_steps.
struct LinearScheduleOptions {
  double learning_rate = 0.1;
  double start_factor = 1.0 / 3;
  double end_factor = 1;
  std::int64_t total_steps = 5;
};
Schedule linear_schedule(const LinearScheduleOptions& options);

enum class Anneal { cosine, linear };

// Smith's one-cycle policy: from max / div_factor up to max in the first pct_start of total_steps,
// then down to max / div_factor / final_div_factor; three_phase goes down to the start first, in as
// many steps as up. The momentum moves the other way, max_momentum -> base_momentum ->
// max_momentum.
struct OneCycleOptions {
  double max_learning_rate = 0.1;
  std::int64_t total_steps = 1000;
  double pct_start = 0.3;
  Anneal anneal = Anneal::cosine;
  double div_factor = 25;
  double final_div_factor = 1e4;
  bool three_phase = false;
  double base_momentum = 0.85;
  double max_momentum = 0.95;
};
Schedule one_cycle(const OneCycleOptions& options);
Schedule one_cycle_momentum(const OneCycleOptions& options);

}  // namespace lamina
