#include "golden_runner/batch_normalization_layer.hpp"

#include <lamina/autograd/tensor/random.hpp>

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

BatchNormalizationOptions options_from(ArgumentReader& arguments) {
  BatchNormalizationOptions options;
  if (arguments.has("axis")) {
    const Json& axis = arguments.at("axis");
    options.axis = axis.is_array() ? axis.get<std::vector<std::int64_t>>()
                                   : std::vector<std::int64_t>{axis.get<std::int64_t>()};
  }
  options.momentum = arguments.get("momentum", options.momentum.weight());
  options.epsilon = arguments.get("epsilon", options.epsilon);
  options.center = arguments.get("center", options.center);
  options.scale = arguments.get("scale", options.scale);
  options.trainable = arguments.get("trainable", options.trainable);
  options.renorm = arguments.get("renorm", options.renorm);
  options.renorm_momentum = arguments.get("renorm_momentum", options.renorm_momentum);
  if (arguments.has("renorm_clipping") && !arguments.at("renorm_clipping").is_null()) {
    for (const auto& [key, value] : arguments.at("renorm_clipping").items()) {
      auto& bound = key == "rmax"   ? options.renorm_clipping.rmax
                    : key == "rmin" ? options.renorm_clipping.rmin
                    : key == "dmax" ? options.renorm_clipping.dmax
                                    : throw CaseFailed("unknown key of renorm_clipping: " + key);
      bound = value.get<double>();
    }
  }
  if (arguments.has("fused") && !arguments.at("fused").is_null()) {
    options.fused = arguments.at("fused").get<bool>();
  }
  if (arguments.has("virtual_batch_size") && !arguments.at("virtual_batch_size").is_null()) {
    options.virtual_batch_size = arguments.at("virtual_batch_size").get<std::int64_t>();
  }
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
