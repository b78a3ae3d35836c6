#include "experiments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <lamina/autograd/tensor/error.hpp>

namespace experiments {
namespace {

constexpr Composition kTwoClasses = Composition::two_classes;

Setting of_four(bool renorm) {
  return {.statistics_of = 4, .renorm = renorm, .measures_drift = true};
}

Experiment small_batches() {
  Setting unbiased = of_four(false);
  unbiased.variance_estimator = lamina::VarianceEstimator::unbiased;
  return {.name = "small_batches",
          .title = "Statistics of 4 examples in updates of 32",
          .cases = {{"plain, of 32", {}},
                    {"renorm, of 32", {.renorm = true}},
                    {"plain, of 4", of_four(false)},
                    {"plain, of 4, unbiased variance", unbiased},
                    {"renorm, of 4", of_four(true)}}};
}

Experiment two_classes() {
  return {.name = "two_classes",
          .title = "Batches of 32 that hold two classes",
          .cases = {{"plain, independent examples", {}},
                    {"plain, two classes", {.composition = kTwoClasses}},
                    {"renorm, two classes", {.composition = kTwoClasses, .renorm = true}}}};
}

// All see as many examples. In the paper the rate grows with the root of the batch's size. The
// moving averages forget faster than elsewhere: 0.99 would remember two thirds of the 146 updates.
Experiment large_batches() {
  constexpr std::int64_t kExamples = 600000, kSmall = 128, kLarge = 4096;
  constexpr double kRate = 0.1, kHigher = 5.66 * kRate;
  const auto setting = [](std::int64_t batch_size, double rate) {
    return Setting{.batch_size = batch_size,
                   .statistics_of = batch_size,
                   .momentum = 0.9,
                   .learning_rate = rate,
                   .steps = kExamples / batch_size};
  };
  Setting ghost = setting(kLarge, kHigher);
  ghost.ghost_batch = 64;
  return {.name = "large_batches",
          .title = "Batches of 4,096 with and without ghost batches of 64",
          .cases = {{"128", setting(kSmall, kRate)},
                    {"4,096", setting(kLarge, kRate)},
                    {"4,096, higher rate", setting(kLarge, kHigher)},
                    {"4,096, higher rate, ghosts of 64", ghost}}};
}

Experiment drift() {
  return {.name = "drift",
          .title = "Moving statistics against those of the layer's input",
          .cases = {{"plain, of 4", of_four(false)}, {"renorm, of 4", of_four(true)}}};
}

}  // namespace

const std::vector<std::string>& experiment_names() {
  static const std::vector<std::string> names{"small_batches", "two_classes", "large_batches",
                                              "drift"};
  return names;
}

Experiment experiment(const std::string& name, bool quick) {
  Experiment result;
  if (name == "small_batches") {
    result = small_batches();
  } else if (name == "two_classes") {
    result = two_classes();
  } else if (name == "large_batches") {
    result = large_batches();
  } else if (name == "drift") {
    result = drift();
  } else {
    throw lamina::ArgumentError("experiments",
                                fmt::format("the name must be known; got '{}'", name));
  }
  if (!quick) return result;
  for (auto& [_, setting] : result.cases) {
    setting.steps = std::max<std::int64_t>(setting.steps / 30, 8);
    setting.measurements = 5;
  }
  return result;
}

}  // namespace experiments
