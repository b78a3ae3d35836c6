// What every optimizer can be told beside its own constants. Each optimizer's options repeat these
// fields under the same names; update_options() gathers them.
#pragma once

#include <lamina/optim/schedule.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

// Whose formula: the two differ in where epsilon and the learning rate stand, in how weight decay
// enters and in clipping. The defaults of the other options do not change with it.
enum class OptimizerFormula { keras, pytorch };

// Parameters whose path matches `pattern` (nn/glob.hpp). The first group that matches counts; a
// parameter in no group has factor 1 and the optimizer's weight decay.
struct ParameterGroup {
  std::string pattern;
  double learning_rate_factor = 1;
  std::optional<double> weight_decay = {};
  bool trainable = true;  // false: not updated by this optimizer
};

// Patterns that keep weight decay away from scales, shifts and biases:
// `.exclude_from_weight_decay = no_decay_on_normalization()`.
inline std::vector<std::string> no_decay_on_normalization() {
  return {"gamma", "*.gamma", "beta", "*.beta", "bias", "*.bias"};
}

struct UpdateOptions {
  Schedule learning_rate = 0.01;
  // Keras: parameter -= parameter * weight_decay * learning_rate before the update. PyTorch: added
  // to the gradient (AdamW: as Keras).
  double weight_decay = 0;
  std::vector<std::string> exclude_from_weight_decay = {};
  // At most one of the three. By value: each element into [-clipvalue, clipvalue]. By norm: each
  // gradient scaled to a norm of at most clipnorm. By global norm: all of them by one factor.
  std::optional<double> clipvalue = {};
  std::optional<double> clipnorm = {};
  std::optional<double> global_clipnorm = {};
  // Parameters move every so many calls of step(), by the mean of the gradients of these calls.
  std::int64_t gradient_accumulation_steps = 1;
  std::vector<ParameterGroup> groups = {};
  OptimizerFormula formula = OptimizerFormula::keras;
  bool decoupled_weight_decay = true;
};

template <class Options>
UpdateOptions update_options(const Options& o) {
  return {.learning_rate = o.learning_rate,
          .weight_decay = o.weight_decay,
          .exclude_from_weight_decay = o.exclude_from_weight_decay,
          .clipvalue = o.clipvalue,
          .clipnorm = o.clipnorm,
          .global_clipnorm = o.global_clipnorm,
          .gradient_accumulation_steps = o.gradient_accumulation_steps,
          .groups = o.groups,
          .formula = o.formula,
          .decoupled_weight_decay = o.formula == OptimizerFormula::keras};
}

// ArgumentError naming `who` for a number outside its range.
void check_update_options(const std::string& who, const UpdateOptions& options);

}  // namespace lamina
