// schedules.json: learning rates (and one-cycle's momentum) at every step.
#include <cmath>
#include <lamina/optim/schedule.hpp>
#include <lamina/training/learning_rate.hpp>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

const FeatureList kNotBuilt = {
    {"CosineDecayRestarts", "restarts are not built"},
    {"CosineAnnealingWarmRestarts", "restarts are not built"},
    {"CosineAnnealingLR", "rises again after T_max; cosine_decay stays"},
    {"CyclicLR", "not built"},
    {"three_phase with pct_start above 0.5", "refused: the last phase would have no steps"},
};

Anneal anneal_of(const std::string& name) {
  return name == "linear" ? Anneal::linear : Anneal::cosine;
}

OneCycleOptions one_cycle_options(ArgumentReader& a) {
  // The recorded call had these two beside it; one-cycle overwrites both.
  a.ignore({"base_lr", "momentum"});
  return {.max_learning_rate = a.get("max_lr", 0.0),
          .total_steps = a.get("total_steps", std::int64_t{0}),
          .pct_start = a.get("pct_start", 0.3),
          .anneal = anneal_of(a.get("anneal_strategy", std::string("cos"))),
          .div_factor = a.get("div_factor", 25.0),
          .final_div_factor = a.get("final_div_factor", 1e4),
          .three_phase = a.get("three_phase", false),
          .base_momentum = a.get("base_momentum", 0.85),
          .max_momentum = a.get("max_momentum", 0.95)};
}

Schedule keras_schedule(const std::string& name, ArgumentReader& a, GoldenCase& test) {
  const double initial = a.get("initial_learning_rate", 0.0);
  const std::int64_t steps = a.get("decay_steps", std::int64_t{0});
  if (name == "ExponentialDecay") {
    return exponential_decay({.initial_learning_rate = initial,
                              .decay_steps = steps,
                              .decay_rate = a.get("decay_rate", 0.0),
                              .staircase = a.get("staircase", false)});
  }
  if (name == "InverseTimeDecay") {
    return inverse_time_decay({.initial_learning_rate = initial,
                               .decay_steps = steps,
                               .decay_rate = a.get("decay_rate", 0.0),
                               .staircase = a.get("staircase", false)});
  }
  if (name == "PiecewiseConstantDecay") {
    return piecewise_constant({.boundaries = a.at("boundaries").get<std::vector<std::int64_t>>(),
                               .values = a.at("values").get<std::vector<double>>()});
  }
  if (name == "PolynomialDecay") {
    return polynomial_decay({.initial_learning_rate = initial,
                             .decay_steps = steps,
                             .end_learning_rate = a.get("end_learning_rate", 1e-4),
                             .power = a.get("power", 1.0),
                             .cycle = a.get("cycle", false)});
  }
  if (name == "CosineDecay") {
    CosineDecayOptions options{
        .initial_learning_rate = initial, .decay_steps = steps, .alpha = a.get("alpha", 0.0)};
    if (a.has("warmup_target")) options.warmup_target = a.get("warmup_target", 0.0);
    options.warmup_steps = a.get("warmup_steps", std::int64_t{0});
    return cosine_decay(options);
  }
  test.fail("not implemented in the runner: " + name);
}

Schedule torch_schedule(const std::string& name, ArgumentReader& a, GoldenCase& test) {
  if (name == "OneCycleLR") return one_cycle(one_cycle_options(a));
  const double rate = a.get("base_lr", 0.0);
  const double gamma = a.get("gamma", 0.1);
  if (name == "StepLR") {
    return step_decay(
        {.learning_rate = rate, .step_size = a.get("step_size", std::int64_t{0}), .gamma = gamma});
  }
  if (name == "MultiStepLR") {
    return multi_step_decay({.learning_rate = rate,
                             .milestones = a.at("milestones").get<std::vector<std::int64_t>>(),
                             .gamma = gamma});
  }
  if (name == "ExponentialLR") {
    return exponential_decay(
        {.initial_learning_rate = rate, .decay_steps = 1, .decay_rate = gamma});
  }
  if (name == "PolynomialLR") {
    return polynomial_decay({.initial_learning_rate = rate,
                             .decay_steps = a.get("total_iters", std::int64_t{5}),
                             .end_learning_rate = 0,
                             .power = a.get("power", 1.0)});
  }
  if (name == "ConstantLR") {
    return piecewise_constant({.boundaries = {a.get("total_iters", std::int64_t{5}) - 1},
                               .values = {rate * a.get("factor", 1.0 / 3), rate}});
  }
  if (name == "LinearLR") {
    return linear_schedule({.learning_rate = rate,
                            .start_factor = a.get("start_factor", 1.0 / 3),
                            .end_factor = a.get("end_factor", 1.0),
                            .total_steps = a.get("total_iters", std::int64_t{5})});
  }
  test.fail("not implemented in the runner: " + name);
}

void compare_values(GoldenCase& test, const std::string& what, const Schedule& schedule,
                    const Json& recorded) {
  const GoldenArray array = golden_array(recorded);
  std::vector<double> values, reread;
  for (std::size_t step = 0; step < array.data.size(); ++step) {
    values.push_back(schedule(static_cast<std::int64_t>(step)));
  }
  test.compare_elements(what, values, array.data, {});
  test.check(Schedule::parse(schedule.to_string()) == schedule, what + ": the text form differs");
}

// values[i + 1] is the rate after metrics[i].
void run_plateau(const Json& item, bool keras, ArgumentReader& a, GoldenCase& test) {
  const bool absolute = keras || a.get("threshold_mode", std::string("rel")) == "abs";
  Plateau plateau({.factor = a.get("factor", 0.1),
                   .patience = a.get("patience", std::int64_t{10}),
                   .min_delta = a.get("threshold", a.get("min_delta", 1e-4)),
                   .cooldown = a.get("cooldown", std::int64_t{0}),
                   .min_learning_rate = a.get("min_lr", 0.0),
                   .relative = !absolute,
                   .formula = keras ? OptimizerFormula::keras : OptimizerFormula::pytorch,
                   .epsilon = a.get("eps", 1e-8)},
                  a.get("mode", std::string("min")) == "max");
  std::vector<double> rates{a.get("base_lr", 0.0)};
  for (const double metric : golden_array(item.at("metrics")).data) {
    rates.push_back(plateau.next(metric, rates.back()));
  }
  test.compare_elements("values", rates, golden_array(item.at("values")).data, {});
  a.finish();
}

void run_case(const Json& item, GoldenCase& test) {
  const std::string name = item.at("schedule");
  test.skip_if_listed(kNotBuilt, name);
  ArgumentReader arguments(item.at("arguments"));
  const bool keras = item.at("framework") == "keras";
  if (arguments.get("three_phase", false) && arguments.get("pct_start", 0.3) > 0.5) {
    test.skip_if_listed(kNotBuilt, "three_phase with pct_start above 0.5");
  }
  if (name == "ReduceLROnPlateau") return run_plateau(item, keras, arguments, test);
  const Schedule schedule =
      keras ? keras_schedule(name, arguments, test) : torch_schedule(name, arguments, test);
  compare_values(test, "values", schedule, item.at("values"));
  if (item.contains("momentum_values")) {
    compare_values(test, "momentum_values", one_cycle_momentum(one_cycle_options(arguments)),
                   item.at("momentum_values"));
  }
  arguments.finish();
}

}  // namespace

void run_schedules(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  for (const Json& item : cases_of(document, "cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { run_case(item, test); });
  }
}

}  // namespace lamina::test
