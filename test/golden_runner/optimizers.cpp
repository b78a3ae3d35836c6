// optimizers.json: parameters after every step and slots at the end; clipping of gradients.
#include "golden_runner/optimizers.hpp"

#include <lamina/optim/adam.hpp>
#include <lamina/optim/clipping.hpp>
#include <lamina/optim/rmsprop.hpp>
#include <lamina/optim/sgd.hpp>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

const FeatureList kNotBuilt = {
    {"Adagrad", "not built"},
    {"Adadelta", "not built"},
    {"Adamax", "not built"},
    {"Nadam", "not built"},
    {"NAdam", "not built"},
    {"RAdam", "not built"},
    {"Ftrl", "not built"},
    {"Lion", "not built"},
    {"Lamb", "not built"},
    {"Adafactor", "not built"},
    {"ASGD", "not built"},
    {"Rprop", "not built"},
    {"RMSPropOptimizer", "compat.v1: its moving mean square starts at 1"},
    {"AdagradOptimizer", "not built"},
    {"AdadeltaOptimizer", "not built"},
    {"FtrlOptimizer", "not built"},
    {"argument:use_ema", "averages of the parameters are not built"},
};

// The recorded slots of the other frameworks -> ours. An empty name: not kept as a slot.
const std::map<std::string, std::string> kSlotNames = {
    {"momentum", "momentum"},
    {"momentum_buffer", "momentum"},
    {"exp_avg", "momentum"},
    {"m", "momentum"},
    {"velocity", "velocity"},
    {"square_avg", "velocity"},
    {"exp_avg_sq", "velocity"},
    {"v", "velocity"},
    {"velocity_hat", "velocity_hat"},
    {"max_exp_avg_sq", "velocity_hat"},
    {"average_gradient", "average_gradient"},
    {"grad_avg", "average_gradient"},
    {"gradient_accumulator", "gradient_accumulator"},
    {"step", ""},
};

class TensorCollector : public StateVisitor<double> {
 public:
  std::map<std::string, Tensor<double>> tensors;
  void operator()(std::string_view name, Tensor<double>& value) override {
    tensors[std::string(name)] = value;
  }
  void operator()(std::string_view, std::int64_t&) override {}
  void operator()(std::string_view, double&) override {}
  void operator()(std::string_view, std::string&) override {}
  void operator()(std::string_view, std::vector<double>&) override {}
};

template <class Options>
void read_common(ArgumentReader& a, Options& o) {
  if (a.has("clipvalue")) o.clipvalue = a.get("clipvalue", 0.0);
  if (a.has("clipnorm")) o.clipnorm = a.get("clipnorm", 0.0);
  if (a.has("global_clipnorm")) o.global_clipnorm = a.get("global_clipnorm", 0.0);
  o.weight_decay = a.get("weight_decay", o.weight_decay);
  o.gradient_accumulation_steps = a.get("gradient_accumulation_steps", std::int64_t{1});
}

// What is not given has the default of the framework, not ours.
double either(OptimizerFormula formula, double keras, double pytorch) {
  return formula == OptimizerFormula::pytorch ? pytorch : keras;
}

double rate_of(ArgumentReader& a, double otherwise) {
  return a.get("lr", a.get("learning_rate", otherwise));
}

OptimizerFactory sgd_of(ArgumentReader& a, OptimizerFormula formula) {
  SGDOptions o{.learning_rate = rate_of(a, either(formula, 0.01, 1e-3)),
               .momentum = a.get("momentum", 0.0),
               .nesterov = a.get("nesterov", a.get("use_nesterov", false)),
               .dampening = a.get("dampening", 0.0),
               .formula = formula};
  if (o.momentum == 0) o.nesterov = false;  // TensorFlow passes over it, lamina refuses it
  read_common(a, o);
  return sgd(o);
}

OptimizerFactory rmsprop_of(ArgumentReader& a, OptimizerFormula formula) {
  RMSpropOptions o{.learning_rate = rate_of(a, either(formula, 0.001, 0.01)),
                   .rho = a.get("rho", a.get("alpha", either(formula, 0.9, 0.99))),
                   .momentum = a.get("momentum", 0.0),
                   .epsilon = a.get("epsilon", a.get("eps", either(formula, 1e-7, 1e-8))),
                   .centered = a.get("centered", false),
                   .formula = formula};
  read_common(a, o);
  return rmsprop(o);
}

template <class Options>
Options adam_options_of(ArgumentReader& a, OptimizerFormula formula, double epsilon) {
  Options o;
  o.learning_rate = rate_of(a, 0.001);
  if (a.has("betas")) {
    o.beta_1 = a.at("betas").at(0);
    o.beta_2 = a.at("betas").at(1);
  } else {
    o.beta_1 = a.get("beta_1", a.get("beta1", 0.9));
    o.beta_2 = a.get("beta_2", a.get("beta2", 0.999));
  }
  o.epsilon = a.get("epsilon", a.get("eps", epsilon));
  o.amsgrad = a.get("amsgrad", false);
  o.formula = formula;
  read_common(a, o);
  return o;
}

}  // namespace

// compat.v1's momentum is PyTorch's, its Adam Keras'.
OptimizerFactory recorded_optimizer(const std::string& name, const std::string& framework,
                                    ArgumentReader& a) {
  const auto formula = framework == "torch" ? OptimizerFormula::pytorch : OptimizerFormula::keras;
  if (name == "SGD" || name == "GradientDescentOptimizer") return sgd_of(a, formula);
  if (name == "MomentumOptimizer") return sgd_of(a, OptimizerFormula::pytorch);
  if (name == "RMSprop") return rmsprop_of(a, formula);
  const double epsilon = name == "AdamOptimizer" ? 1e-8 : either(formula, 1e-7, 1e-8);
  if (name == "Adam" || name == "AdamOptimizer") {
    return adam(adam_options_of<AdamOptions>(a, formula, epsilon));
  }
  if (name == "AdamW") {
    auto options = adam_options_of<AdamWOptions>(a, formula, epsilon);
    options.weight_decay = a.get("weight_decay", either(formula, 0.004, 0.01));
    return adamw(options);
  }
  throw CaseFailed("unknown optimizer " + name);
}

namespace {

ParameterList<double> parameters_of(const Json& values) {
  ParameterList<double> parameters;
  for (const Json& value : values) {
    auto parameter = std::make_shared<ParameterData<double>>();
    parameter->value = golden_tensor<double>(value);
    parameter->path = std::string("p") + std::to_string(parameters.size());
    parameters.push_back(parameter);
  }
  return parameters;
}

void compare_slots(GoldenCase& test, Optimizer<double>& optimizer, const Json& recorded) {
  TensorCollector collector;
  optimizer.visit(collector);
  for (std::size_t i = 0; i < recorded.size(); ++i) {
    for (const auto& [name, value] : recorded.at(i).items()) {
      const auto known = kSlotNames.find(name);
      if (known == kSlotNames.end()) test.fail("unknown slot: " + name);
      if (known->second.empty()) continue;
      const std::string ours = std::string("p") + std::to_string(i) + "." + known->second;
      const auto found = collector.tensors.find(ours);
      if (found == collector.tensors.end()) test.fail("no slot " + ours);
      test.compare("slot " + ours, found->second, value);
    }
  }
}

void run_case(const Json& item, GoldenCase& test) {
  const std::string name = item.at("optimizer");
  test.skip_if_listed(kNotBuilt, name);
  test.skip_listed_arguments(kNotBuilt, item.at("arguments"));
  ArgumentReader arguments(item.at("arguments"));
  arguments.ignore({"use_ema", "ema_momentum", "ema_overwrite_frequency"});
  const OptimizerFactory factory = recorded_optimizer(name, item.at("framework"), arguments);
  arguments.finish();

  const ParameterList<double> parameters = parameters_of(item.at("parameters"));
  const auto optimizer = factory.make(parameters);
  std::size_t number = 0;
  for (const Json& step : item.at("steps")) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i]->gradient = golden_tensor<double>(step.at("gradients").at(i));
    }
    optimizer->step();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      test.compare("parameter " + std::to_string(i) + " after step " + std::to_string(number),
                   parameters[i]->value, step.at("parameters").at(i));
    }
    ++number;
  }
  // compat.v1 has a slot also for a momentum of 0.
  if (name == "MomentumOptimizer" && arguments.get("momentum", 0.0) == 0) return;
  compare_slots(test, *optimizer, item.at("slots"));
}

double order_of(ArgumentReader& a) {
  return a.has("norm_type") ? golden_number(a.at("norm_type")) : 2;
}

void run_clipping(const Json& item, GoldenCase& test) {
  const std::string name =
      kind_of(item.at("name"), {"clip_by_value", "clip_by_norm", "clip_by_global_norm",
                                "clip_grad_value", "clip_grad_norm"});
  ArgumentReader a(item.at("arguments"));
  ParameterList<double> parameters = parameters_of(item.at("gradients"));
  for (const auto& parameter : parameters) parameter->gradient = parameter->value;

  double norm = -1;
  if (name == "clip_by_value") {
    clip_gradients_by_value(parameters, a.get("clip_value_min", 0.0), a.get("clip_value_max", 0.0));
  } else if (name == "clip_grad_value") {
    const double limit = a.get("clip_value", 0.0);
    clip_gradients_by_value(parameters, -limit, limit);
  } else if (name == "clip_by_norm") {
    clip_gradients_by_norm(parameters, a.get("clip_norm", 0.0));
  } else if (name == "clip_by_global_norm") {
    norm = clip_gradients_by_global_norm(parameters, a.get("clip_norm", 0.0));
  } else {
    norm =
        clip_gradients_by_global_norm(parameters, a.get("max_norm", 0.0),
                                      {.formula = OptimizerFormula::pytorch, .order = order_of(a)});
  }
  a.finish();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    test.compare("gradient " + std::to_string(i), parameters[i]->gradient,
                 item.at("clipped").at(i));
  }
  if (item.contains("norm")) {
    test.compare("norm", Tensor<double>::scalar(norm), item.at("norm"));
  }
}

}  // namespace

void run_optimizers(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  const std::set<std::string> lists = {"cases", "clipping"};
  for (const Json& item : cases_of(document, "cases", lists)) {
    report.run(item.at("name"), [&](GoldenCase& test) { run_case(item, test); });
  }
  for (const Json& item : cases_of(document, "clipping", lists)) {
    report.run(item.at("name"), [&](GoldenCase& test) { run_clipping(item, test); });
  }
}

}  // namespace lamina::test
