#include <algorithm>
#include <charconv>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/optim/detail/check.hpp>
#include <lamina/optim/schedule.hpp>
#include <numbers>
#include <span>

namespace lamina {

namespace {

using Numbers = std::span<const double>;

double quotient(double step, double steps, bool staircase) {
  return staircase ? std::floor(step / steps) : step / steps;
}

double exponential_value(Numbers n, double step) {
  return n[0] * std::pow(n[2], quotient(step, n[1], n[3] != 0));
}

double inverse_time_value(Numbers n, double step) {
  return n[0] / (1 + n[2] * quotient(step, n[1], n[3] != 0));
}

// Boundaries first, then one more value.
double piecewise_value(Numbers n, double step) {
  const std::size_t boundaries = n.size() / 2;
  std::size_t i = 0;
  while (i < boundaries && step > n[i]) ++i;
  return n[boundaries + i];
}

double polynomial_value(Numbers n, double step) {
  double steps = n[1];
  if (n[4] != 0) {
    steps *= std::max(1.0, std::ceil(step / steps));
  } else {
    step = std::min(step, steps);
  }
  return (n[0] - n[2]) * std::pow(1 - step / steps, n[3]) + n[2];
}

// initial, decay_steps, alpha, whether there is a warm-up, its target, its steps
double cosine_value(Numbers n, double step) {
  const bool warmup = n[3] != 0;
  if (warmup && step < n[5]) return n[0] + (n[4] - n[0]) * step / n[5];
  const double start = warmup ? n[4] : n[0];
  const double done = std::min(warmup ? step - n[5] : step, n[1]) / n[1];
  return start * ((1 - n[2]) * 0.5 * (1 + std::cos(std::numbers::pi * done)) + n[2]);
}

double step_value(Numbers n, double step) { return n[0] * std::pow(n[2], std::floor(step / n[1])); }

// learning_rate, gamma, milestones
double multi_step_value(Numbers n, double step) {
  const auto passed =
      std::count_if(n.begin() + 2, n.end(), [&](double milestone) { return milestone <= step; });
  return n[0] * std::pow(n[1], static_cast<double>(passed));
}

double linear_value(Numbers n, double step) {
  return n[0] * (n[1] + (n[2] - n[1]) * std::min(step, n[3]) / n[3]);
}

// total_steps, pct_start, whether cosine, whether three phases, then the values at the start, at
// the top, and at the end.
double one_cycle_value(Numbers n, double step) {
  const double last = n[0] - 1, top = n[1] * n[0] - 1;
  struct Phase {
    double end, from, to;
  };
  const Phase two[] = {{top, n[4], n[5]}, {last, n[5], n[6]}};
  const Phase three[] = {{top, n[4], n[5]}, {2 * n[1] * n[0] - 2, n[5], n[4]}, {last, n[4], n[6]}};
  const std::span<const Phase> phases =
      n[3] != 0 ? std::span<const Phase>(three) : std::span<const Phase>(two);
  step = std::min(step, last);
  double begin = 0;
  std::size_t i = 0;
  for (; i + 1 < phases.size() && step > phases[i].end; ++i) begin = phases[i].end;
  const Phase& phase = phases[i];
  const double length = phase.end - begin;
  const double done = length > 0 ? std::min((step - begin) / length, 1.0) : 1.0;
  if (n[2] == 0) return phase.from + (phase.to - phase.from) * done;
  return phase.to + (phase.from - phase.to) / 2 * (1 + std::cos(std::numbers::pi * done));
}

struct Kind {
  const char* name;
  double (*value)(Numbers, double step);
  std::size_t least, most;  // how many numbers
  int steps = -1;           // which of them is divided by
};

constexpr std::size_t kAny = 100000;
constexpr Kind kKinds[] = {
    {"constant", [](Numbers n, double) { return n[0]; }, 1, 1},
    {"exponential_decay", exponential_value, 4, 4, 1},
    {"inverse_time_decay", inverse_time_value, 4, 4, 1},
    {"piecewise_constant", piecewise_value, 1, kAny},
    {"polynomial_decay", polynomial_value, 5, 5, 1},
    {"cosine_decay", cosine_value, 6, 6, 1},
    {"step_decay", step_value, 3, 3, 1},
    {"multi_step_decay", multi_step_value, 2, kAny},
    {"linear_schedule", linear_value, 4, 4, 3},
    {"one_cycle", one_cycle_value, 7, 7, 0},
};

const Kind* find_kind(std::string_view name) {
  for (const Kind& kind : kKinds) {
    if (name == kind.name) return &kind;
  }
  return nullptr;
}

using detail::at_least;
using detail::require;
using detail::text;

void require_steps(const char* who, const char* field, std::int64_t steps) {
  require(steps > 0, who, std::string(field) + " must be at least 1; got " + std::to_string(steps));
}

void require_ascending(const char* who, const char* field, std::span<const std::int64_t> steps) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool ascends = steps[i] >= 0 && (i == 0 || steps[i] > steps[i - 1]);
    require(ascends, who,
            std::string(field) + " must be at least 0 and ascend; got " + std::to_string(steps[i]) +
                " at position " + std::to_string(i));
  }
}

// What every schedule that lamina's functions make has.
void require_range(const std::string& name, Numbers numbers) {
  for (const double number : numbers) at_least("schedule", "each number of " + name, number, 0);
  const int steps = find_kind(name)->steps;
  if (steps < 0) return;
  at_least("schedule", "the number of steps of " + name, numbers[static_cast<std::size_t>(steps)],
           1);
}

void check_one_cycle(const OneCycleOptions& o) {
  const char* who = "one_cycle";
  at_least(who, "max_learning_rate", o.max_learning_rate, 0);
  require_steps(who, "total_steps", o.total_steps);
  const double most = o.three_phase ? 0.5 : 1;
  require(o.pct_start >= 0 && o.pct_start <= most, who,
          "pct_start must lie in [0, " + text(most) + "]; got " + text(o.pct_start));
  at_least(who, "div_factor", o.div_factor, 1);
  at_least(who, "final_div_factor", o.final_div_factor, 1);
  for (const double momentum : {o.base_momentum, o.max_momentum}) {
    require(momentum >= 0 && momentum < 1, who,
            "base_momentum and max_momentum must lie in [0, 1); got " + text(momentum));
  }
}

Schedule one_cycle_of(const OneCycleOptions& o, double start, double top, double end) {
  return Schedule("one_cycle", {static_cast<double>(o.total_steps), o.pct_start,
                                o.anneal == Anneal::cosine ? 1.0 : 0.0, o.three_phase ? 1.0 : 0.0,
                                start, top, end});
}

}  // namespace

Schedule::Schedule(std::function<double(std::int64_t)> function)
    : name_("custom"), function_(std::move(function)) {
  require(static_cast<bool>(function_), "schedule", "a custom schedule needs a function; got none");
}

Schedule::Schedule(std::string name, std::vector<double> numbers)
    : name_(std::move(name)), numbers_(std::move(numbers)) {
  const Kind* kind = find_kind(name_);
  require(kind, "schedule", "the name must be that of a schedule of lamina; got '" + name_ + "'");
  require(numbers_.size() >= kind->least && numbers_.size() <= kind->most, "schedule",
          name_ + " must have " + std::to_string(kind->least) + " numbers; got " +
              std::to_string(numbers_.size()));
  require(name_ != "piecewise_constant" || numbers_.size() % 2 == 1, "schedule",
          "piecewise_constant must have one more value than boundaries; got " +
              std::to_string(numbers_.size()) + " numbers");
}

double Schedule::operator()(std::int64_t step) const {
  if (function_) return function_(step);
  return find_kind(name_)->value(numbers_, static_cast<double>(step));
}

std::string Schedule::to_string() const {
  std::string result = name_;
  char separator = '(';
  for (const double number : numbers_) {
    result += separator;
    result += text(number);
    separator = ',';
  }
  if (numbers_.empty()) result += '(';
  result += ')';
  return result;
}

Schedule Schedule::parse(std::string_view written) {
  std::string shown("'");
  shown.append(written.substr(0, 80)).append("'");
  const auto open = written.find('(');
  require(open != std::string_view::npos && written.back() == ')', "schedule",
          "the text must read name(number,...); got " + shown);
  std::vector<double> numbers;
  std::string_view rest = written.substr(open + 1, written.size() - open - 2);
  while (!rest.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const auto used = static_cast<std::size_t>(end - rest.data());
    const bool more = used < rest.size();
    require(error == std::errc() && (!more || (*end == ',' && used + 1 < rest.size())), "schedule",
            "the text must read name(number,...); got " + shown);
    numbers.push_back(number);
    rest.remove_prefix(more ? used + 1 : used);
  }
  Schedule schedule(std::string(written.substr(0, open)), std::move(numbers));
  require_range(schedule.name_, schedule.numbers_);
  return schedule;
}

Schedule exponential_decay(const ExponentialDecayOptions& o) {
  at_least("exponential_decay", "initial_learning_rate", o.initial_learning_rate, 0);
  require_steps("exponential_decay", "decay_steps", o.decay_steps);
  at_least("exponential_decay", "decay_rate", o.decay_rate, 0);
  return Schedule("exponential_decay", {o.initial_learning_rate, static_cast<double>(o.decay_steps),
                                        o.decay_rate, o.staircase ? 1.0 : 0.0});
}

Schedule inverse_time_decay(const InverseTimeDecayOptions& o) {
  at_least("inverse_time_decay", "initial_learning_rate", o.initial_learning_rate, 0);
  require_steps("inverse_time_decay", "decay_steps", o.decay_steps);
  at_least("inverse_time_decay", "decay_rate", o.decay_rate, 0);
  return Schedule("inverse_time_decay",
                  {o.initial_learning_rate, static_cast<double>(o.decay_steps), o.decay_rate,
                   o.staircase ? 1.0 : 0.0});
}

Schedule piecewise_constant(const PiecewiseConstantOptions& o) {
  const char* who = "piecewise_constant";
  require(o.values.size() == o.boundaries.size() + 1, who,
          "there must be one more value than boundaries; got " + std::to_string(o.values.size()) +
              " values and " + std::to_string(o.boundaries.size()) + " boundaries");
  require_ascending(who, "boundaries", o.boundaries);
  for (const double value : o.values) at_least(who, "values", value, 0);
  std::vector<double> numbers(o.boundaries.begin(), o.boundaries.end());
  numbers.insert(numbers.end(), o.values.begin(), o.values.end());
  return Schedule(who, std::move(numbers));
}

Schedule polynomial_decay(const PolynomialDecayOptions& o) {
  const char* who = "polynomial_decay";
  at_least(who, "initial_learning_rate", o.initial_learning_rate, 0);
  require_steps(who, "decay_steps", o.decay_steps);
  at_least(who, "end_learning_rate", o.end_learning_rate, 0);
  at_least(who, "power", o.power, 0);
  return Schedule(who, {o.initial_learning_rate, static_cast<double>(o.decay_steps),
                        o.end_learning_rate, o.power, o.cycle ? 1.0 : 0.0});
}

Schedule cosine_decay(const CosineDecayOptions& o) {
  const char* who = "cosine_decay";
  at_least(who, "initial_learning_rate", o.initial_learning_rate, 0);
  require_steps(who, "decay_steps", o.decay_steps);
  at_least(who, "alpha", o.alpha, 0);
  if (o.warmup_target) at_least(who, "warmup_target", *o.warmup_target, 0);
  require(o.warmup_steps >= 0, who,
          "warmup_steps must be at least 0; got " + std::to_string(o.warmup_steps));
  require(o.warmup_steps == 0 || o.warmup_target, who,
          "warmup_steps needs a warmup_target; got " + std::to_string(o.warmup_steps) +
              " steps without one");
  return Schedule(who, {o.initial_learning_rate, static_cast<double>(o.decay_steps), o.alpha,
                        o.warmup_target ? 1.0 : 0.0, o.warmup_target.value_or(0),
                        static_cast<double>(o.warmup_steps)});
}

Schedule step_decay(const StepDecayOptions& o) {
  at_least("step_decay", "learning_rate", o.learning_rate, 0);
  require_steps("step_decay", "step_size", o.step_size);
  at_least("step_decay", "gamma", o.gamma, 0);
  return Schedule("step_decay", {o.learning_rate, static_cast<double>(o.step_size), o.gamma});
}

Schedule multi_step_decay(const MultiStepDecayOptions& o) {
  at_least("multi_step_decay", "learning_rate", o.learning_rate, 0);
  at_least("multi_step_decay", "gamma", o.gamma, 0);
  require_ascending("multi_step_decay", "milestones", o.milestones);
  std::vector<double> numbers{o.learning_rate, o.gamma};
  numbers.insert(numbers.end(), o.milestones.begin(), o.milestones.end());
  return Schedule("multi_step_decay", std::move(numbers));
}

Schedule linear_schedule(const LinearScheduleOptions& o) {
  at_least("linear_schedule", "learning_rate", o.learning_rate, 0);
  at_least("linear_schedule", "start_factor", o.start_factor, 0);
  at_least("linear_schedule", "end_factor", o.end_factor, 0);
  require_steps("linear_schedule", "total_steps", o.total_steps);
  return Schedule("linear_schedule", {o.learning_rate, o.start_factor, o.end_factor,
                                      static_cast<double>(o.total_steps)});
}

Schedule one_cycle(const OneCycleOptions& o) {
  check_one_cycle(o);
  const double start = o.max_learning_rate / o.div_factor;
  return one_cycle_of(o, start, o.max_learning_rate, start / o.final_div_factor);
}

Schedule one_cycle_momentum(const OneCycleOptions& o) {
  check_one_cycle(o);
  return one_cycle_of(o, o.max_momentum, o.base_momentum, o.max_momentum);
}

}  // namespace lamina
