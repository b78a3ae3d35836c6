#include "golden_runner/batch_normalization_layer.hpp"

#include <lamina/autograd/tensor/random.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/regularizers.hpp>

namespace lamina::test {
namespace {

template <Scalar T>
class StateCollector : public Visitor<T> {
 public:
  std::vector<std::pair<std::string, Tensor<T>>> state;

 protected:
  void parameter(const std::string& path, Parameter<T>& parameter) override {
    state.emplace_back(path, parameter.value());
  }
  void buffer(const std::string& path, Buffer<T>& buffer) override {
    state.emplace_back(path, buffer.value());
  }
};

template <Scalar T>
Tensor<T> gradient_of(const Parameter<T>& parameter) {
  Tensor<T> gradient = parameter.gradient();
  parameter.data()->gradient = Tensor<T>();
  return gradient;
}

}  // namespace

bool truth(const Json& json) {
  if (json.is_number()) return json != 0;
  return json.is_boolean() ? json.get<bool>() : !json.empty();
}

Shape recorded_shape(const Json& item) {
  return Shape(std::span<const std::int64_t>(item.at("shape").get<std::vector<std::int64_t>>()));
}

Regularizer recorded_regularizer(const Json& json) {
  ArgumentReader arguments(json);
  const double l1_factor = arguments.get("l1", 0.0), l2_factor = arguments.get("l2", 0.0);
  arguments.finish();
  return l1_l2(l1_factor, l2_factor);
}

Constraint recorded_constraint(const std::string& name, const Json& json) {
  ArgumentReader arguments(json);
  const double min_value = arguments.get("min_value", 0.0), rate = arguments.get("rate", 1.0);
  const double max_value = arguments.get("max_value", 1.0);
  std::vector<int> axis = {0};
  if (arguments.has("axis")) {
    const Json& given = arguments.at("axis");
    axis = given.is_array() ? given.get<std::vector<int>>() : std::vector<int>{given.get<int>()};
  }
  arguments.finish();
  if (name.starts_with("non_neg")) return non_neg();
  if (name.starts_with("unit_norm")) return unit_norm(axis);
  if (name.starts_with("max_norm")) return max_norm(max_value, axis);
  if (name.starts_with("min_max_norm")) {
    return min_max_norm(
        {.min_value = min_value, .max_value = max_value, .rate = rate, .axis = axis});
  }
  throw CaseFailed("unknown constraint: " + name);
}

BatchNormalizationOptions options_from(ArgumentReader& arguments) {
  BatchNormalizationOptions options;
  const auto given = [&](const char* key) {
    return arguments.has(key) && !arguments.at(key).is_null();
  };
  const auto read_truth = [&](const char* key, bool& option) {
    if (arguments.has(key)) option = truth(arguments.at(key));
  };
  const auto read_number = [&](const char* key, auto& option) {
    if (arguments.has(key)) option = golden_number(arguments.at(key));
  };
  if (arguments.has("axis")) {
    const auto one = [](const Json& axis) {
      return static_cast<std::int64_t>(golden_number(axis));
    };
    const Json& axis = arguments.at("axis");
    options.axis.clear();
    for (const Json& value : axis.is_array() ? axis : Json::array({axis})) {
      options.axis.push_back(one(value));
    }
  }
  read_number("momentum", options.momentum);
  read_number("epsilon", options.epsilon);
  read_number("renorm_momentum", options.renorm_momentum);
  read_truth("center", options.center);
  read_truth("scale", options.scale);
  read_truth("trainable", options.trainable);
  read_truth("renorm", options.renorm);
  if (given("renorm_clipping")) {
    for (const auto& [key, value] : arguments.at("renorm_clipping").items()) {
      auto& bound = key == "rmax"   ? options.renorm_clipping.rmax
                    : key == "rmin" ? options.renorm_clipping.rmin
                    : key == "dmax" ? options.renorm_clipping.dmax
                                    : throw CaseFailed("unknown key of renorm_clipping: " + key);
      bound = golden_number(value);
    }
  }
  if (given("fused")) options.fused = truth(arguments.at("fused"));
  if (given("virtual_batch_size")) {
    options.virtual_batch_size = arguments.at("virtual_batch_size").get<std::int64_t>();
  }
  if (given("name")) options.name = arguments.at("name").get<std::string>();
  const auto read_functions = [&](const std::string& parameter, Regularizer& regularizer,
                                  Constraint& constraint) {
    const std::string penalty = parameter + "_regularizer", projection = parameter + "_constraint";
    if (given(penalty.c_str())) regularizer = recorded_regularizer(arguments.at(penalty));
    if (given(projection.c_str())) {
      const Json& recorded = arguments.at(projection);
      constraint = recorded_constraint(recorded.at("name"), recorded.at("arguments"));
    }
  };
  read_functions("gamma", options.gamma_regularizer, options.gamma_constraint);
  read_functions("beta", options.beta_regularizer, options.beta_constraint);
  return options;
}

void set_initial(BatchNormalizationOptions& options, const Json& initial) {
  for (const auto& [name, value] : initial.items()) {
    auto& target = name == "gamma"             ? options.gamma_initializer
                   : name == "beta"            ? options.beta_initializer
                   : name == "moving_mean"     ? options.moving_mean_initializer
                   : name == "moving_variance" ? options.moving_variance_initializer
                                               : throw CaseFailed("unknown initial value: " + name);
    target = Initializer(std::make_shared<RecordedValue>(golden_array(value)));
  }
}

template <Scalar T>
std::vector<std::pair<std::string, Tensor<T>>> state_of(BatchNormalization<T>& layer) {
  StateCollector<T> collector;
  collector.walk(layer);
  return collector.state;
}

template <Scalar T>
CallResult<T> call(BatchNormalization<T>& layer, const Tensor<T>& x, const Tensor<T>& dy,
                   bool training, std::int64_t step) {
  Tape<T> tape;
  Rng rng(1);
  Context<T> ctx{.tape = &tape,
                 .training = training,
                 .updates = training ? StateUpdates::apply : StateUpdates::discard,
                 .rng = &rng,
                 .step = step};
  layer.gamma().set_trainable(true);
  layer.beta().set_trainable(true);
  const auto leaf = std::make_shared<Leaf<T>>();
  leaf->value = x;
  const Variable<T> y = layer(tape.watch(leaf), ctx);
  CallResult<T> result{.y = y.value()};
  tape.backward(y, {.seed = dy});
  result.dx = leaf->gradient;
  if (layer.options().scale) result.dgamma = gradient_of(layer.gamma());
  if (layer.options().center) result.dbeta = gradient_of(layer.beta());
  return result;
}

#define LAMINA_BATCH_NORMALIZATION_LAYER(T)                                                     \
  template std::vector<std::pair<std::string, Tensor<T>>> state_of(BatchNormalization<T>&);     \
  template CallResult<T> call(BatchNormalization<T>&, const Tensor<T>&, const Tensor<T>&, bool, \
                              std::int64_t);
LAMINA_BATCH_NORMALIZATION_LAYER(float)
LAMINA_BATCH_NORMALIZATION_LAYER(double)
#undef LAMINA_BATCH_NORMALIZATION_LAYER

}  // namespace lamina::test
