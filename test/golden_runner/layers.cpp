// layers.json: outputs and all gradients of Keras' layers, with their recorded parameters.
#include <algorithm>
#include <cmath>
#include <lamina/autograd/ops/activation.hpp>
#include <lamina/autograd/ops/exponential.hpp>
#include <lamina/autograd/ops/softmax.hpp>
#include <lamina/layers/activations.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/group_normalization.hpp>
#include <lamina/layers/layer_normalization.hpp>
#include <lamina/layers/pooling.hpp>
#include <lamina/layers/reshape.hpp>
#include <lamina/nn/module_pointer.hpp>
#include <optional>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

const char* const kOneDimension = "convolution and pooling are built for 2-D only";
const char* const kMerging = "merging is an op, not a layer";
const char* const kRecurrent = "recurrent layers are not built";
const char* const kNoLayer = "the layer is not built";
const char* const kNoActivation = "the activation is not built";

const FeatureList kNotBuilt = {
    {"Conv1D", kOneDimension},
    {"Conv3D", kOneDimension},
    {"Conv1DTranspose", kOneDimension},
    {"MaxPooling1D", kOneDimension},
    {"AveragePooling1D", kOneDimension},
    {"GlobalAveragePooling1D", kOneDimension},
    {"Conv2DTranspose", "transposed convolution is not built"},
    {"DepthwiseConv2D", kNoLayer},
    {"SeparableConv2D", kNoLayer},
    {"GlobalMaxPooling2D", kNoLayer},
    {"ZeroPadding2D", kNoLayer},
    {"Cropping2D", kNoLayer},
    {"UpSampling2D", kNoLayer},
    {"Permute", kNoLayer},
    {"RepeatVector", kNoLayer},
    {"RMSNormalization", kNoLayer},
    {"Embedding", kNoLayer},
    {"PReLU", kNoLayer},
    {"Add", kMerging},
    {"Subtract", kMerging},
    {"Multiply", kMerging},
    {"Average", kMerging},
    {"Maximum", kMerging},
    {"Minimum", kMerging},
    {"Concatenate", kMerging},
    {"SimpleRNN", kRecurrent},
    {"GRU", kRecurrent},
    {"LSTM", kRecurrent},
    {"MultiHeadAttention", "attention is not built"},
    {"activation:selu", kNoActivation},
    {"activation:mish", kNoActivation},
    {"activation:softsign", kNoActivation},
    {"activation:log_sigmoid", kNoActivation},
    {"activation:hard_sigmoid", kNoActivation},
    {"activation:hard_silu", kNoActivation},
    {"activation:hard_tanh", kNoActivation},
    {"activation:tanh_shrink", kNoActivation},
};

// Keras takes one number for both axes.
Extents2 pair_of(const Json& json) {
  if (json.is_array()) return {json.at(0), json.at(1)};
  return {json, json};
}

std::optional<Extents2> optional_pair(ArgumentReader& arguments, const char* name) {
  if (!arguments.has(name) || arguments.at(name).is_null()) return {};
  return pair_of(arguments.at(name));
}

// Keras takes one number or a list.
std::vector<std::int64_t> axes_of(ArgumentReader& arguments) {
  if (!arguments.has("axis")) return {-1};
  const Json& axis = arguments.at("axis");
  if (axis.is_array()) return axis.get<std::vector<std::int64_t>>();
  return {axis.get<std::int64_t>()};
}

Padding padding_of(ArgumentReader& arguments) {
  const std::string text = arguments.get<std::string>("padding", "valid");
  if (text == "valid") return Padding::valid;
  if (text == "same") return Padding::same;
  throw CaseFailed("unknown padding " + text);
}

Pool2DOptions pool_of(ArgumentReader& arguments) {
  return {.pool = optional_pair(arguments, "pool_size").value_or(Extents2{2, 2}),
          .strides = optional_pair(arguments, "strides"),
          .padding = padding_of(arguments)};
}

ModulePointer<double> convolution_of(ArgumentReader& arguments) {
  const Extents2 one{1, 1};
  return ModulePointer<double>(
      Conv2D<double>({.filters = arguments.at("filters").get<std::int64_t>(),
                      .kernel = pair_of(arguments.at("kernel_size")),
                      .strides = optional_pair(arguments, "strides").value_or(one),
                      .padding = padding_of(arguments),
                      .dilation = optional_pair(arguments, "dilation_rate").value_or(one),
                      .groups = arguments.get<std::int64_t>("groups", 1),
                      .use_bias = arguments.get("use_bias", true)}));
}

ModulePointer<double> module_of(const std::string& layer, ArgumentReader& arguments) {
  using Pointer = ModulePointer<double>;
  if (layer == "Dense") {
    return Pointer(Dense<double>({.units = arguments.at("units").get<std::int64_t>(),
                                  .use_bias = arguments.get("use_bias", true)}));
  }
  if (layer == "Conv2D") return convolution_of(arguments);
  if (layer == "MaxPooling2D") return Pointer(MaxPool2D<double>(pool_of(arguments)));
  if (layer == "AveragePooling2D") return Pointer(AveragePool2D<double>(pool_of(arguments)));
  if (layer == "GlobalAveragePooling2D") {
    return Pointer(GlobalAveragePool2D<double>({.keepdims = arguments.get("keepdims", false)}));
  }
  if (layer == "Flatten") return Pointer(Flatten<double>());
  if (layer == "Reshape") {
    return Pointer(Reshape<double>(
        {.target_shape = arguments.at("target_shape").get<std::vector<std::int64_t>>()}));
  }
  if (layer == "BatchNormalization") {
    // Keras 3 lets the biased variance into the moving one.
    return Pointer(BatchNormalization<double>({.axis = axes_of(arguments),
                                               .momentum = arguments.get("momentum", 0.99),
                                               .epsilon = arguments.get("epsilon", 1e-3),
                                               .center = arguments.get("center", true),
                                               .scale = arguments.get("scale", true),
                                               .variance_estimator = VarianceEstimator::biased}));
  }
  if (layer == "LayerNormalization") {
    return Pointer(LayerNormalization<double>({.axis = axes_of(arguments),
                                               .epsilon = arguments.get("epsilon", 1e-3),
                                               .center = arguments.get("center", true),
                                               .scale = arguments.get("scale", true)}));
  }
  if (layer == "GroupNormalization") {
    return Pointer(GroupNormalization<double>({.groups = arguments.get<std::int64_t>("groups", 32),
                                               .axis = arguments.get<std::int64_t>("axis", -1),
                                               .epsilon = arguments.get("epsilon", 1e-3),
                                               .center = arguments.get("center", true),
                                               .scale = arguments.get("scale", true)}));
  }
  throw CaseFailed("unknown layer " + layer);
}

// Parameters and buffers by name.
class Members : public Visitor<double> {
 public:
  std::map<std::string, Parameter<double>*> parameters;
  std::map<std::string, Buffer<double>*> buffers;

 protected:
  void parameter(const std::string& path, Parameter<double>& member) override {
    parameters[path] = &member;
  }
  void buffer(const std::string& path, Buffer<double>& member) override { buffers[path] = &member; }
};

// `activation` is an argument in Keras and a layer or an op of its own here.
Variable<double> activated(const std::string& name, const Variable<double>& x) {
  const auto ctx = Context<double>::for_inference();
  if (name == "linear") return x;
  if (name == "relu") return ReLU<double>()(x, ctx);
  if (name == "relu6") return ReLU<double>({.max_value = 6})(x, ctx);
  if (name == "leaky_relu") return LeakyReLU<double>({.negative_slope = 0.2})(x, ctx);
  if (name == "elu") return ELU<double>()(x, ctx);
  if (name == "gelu") return GELU<double>()(x, ctx);
  if (name == "silu" || name == "swish") return SiLU<double>()(x, ctx);
  if (name == "sigmoid") return Sigmoid<double>()(x, ctx);
  if (name == "tanh") return Tanh<double>()(x, ctx);
  if (name == "softmax") return Softmax<double>()(x, ctx);
  if (name == "log_softmax") return log_softmax(x, -1);
  if (name == "softplus") return softplus(x);
  if (name == "exponential") return exp(x);
  throw CaseFailed("unknown activation " + name);
}

// Recorded without a flag; the moving statistics tell, or the output where a momentum of 1 keeps
// them in training too.
bool in_inference(const Json& item, const ModulePointer<double>& module) {
  if (!item.contains("state_before") || item["state_before"] != item.at("state_after"))
    return false;
  if (item.at("arguments").value("momentum", 0.0) != 1) return true;
  const Variable<double> x = golden_tensor<double>(item.at("inputs").at("x"));
  const Tensor<double> y = (*module)(x, Context<double>::for_inference()).value();
  const GoldenArray recorded = golden_array(item.at("outputs").at("y"));
  return std::equal(
      y.values().begin(), y.values().end(), recorded.data.begin(), recorded.data.end(),
      [](double a, double b) { return std::abs(a - b) <= 1e-10 * (1 + std::abs(b)); });
}

void compare_layer(GoldenCase& test, const Json& item) {
  const std::string layer = item.at("layer");
  test.skip_if_listed(kNotBuilt, layer);
  ArgumentReader arguments(item.at("arguments"));
  const std::string activation = arguments.get<std::string>("activation", "linear");
  test.skip_if_listed(kNotBuilt, "activation:" + activation);
  ModulePointer<double> module = module_of(layer, arguments);
  arguments.finish();

  Members members;
  members.walk(*module);
  test.check(members.parameters.size() == item.at("parameters").size(), "number of parameters");
  for (const auto& [name, value] : item.at("parameters").items()) {
    members.parameters.at(name)->assign(golden_tensor<double>(value));
  }
  const bool stateful = item.contains("state_before");
  if (stateful) {
    for (const auto& [name, value] : item.at("state_before").items()) {
      members.buffers.at(name)->assign(golden_tensor<double>(value));
    }
  }

  Tape<double> tape;
  Rng rng(1);
  auto ctx = Context<double>::for_training(tape, rng);
  if (in_inference(item, module)) ctx.training = false;
  const auto x = tape.watch(golden_tensor<double>(item.at("inputs").at("x")));
  const auto y = activated(activation, (*module)(x, ctx));
  test.compare("output", y.value(), item.at("outputs").at("y"));

  std::vector<Variable<double>> sources{x};
  std::vector<std::string> names;
  for (const auto& [name, value] : item.at("gradients").at("parameters").items()) {
    sources.push_back((*members.parameters.at(name))(ctx));
    names.push_back(name);
  }
  const auto gradients =
      tape.gradients(y, sources, {.seed = golden_tensor<double>(item.at("upstream").at("y"))});
  test.compare("gradient of x", gradients[0].value(), item.at("gradients").at("inputs").at("x"));
  for (std::size_t i = 0; i < names.size(); ++i) {
    test.compare("gradient of " + names[i], gradients[i + 1].value(),
                 item.at("gradients").at("parameters").at(names[i]));
  }
  if (!stateful) return;
  for (const auto& [name, value] : item.at("state_after").items()) {
    test.compare(name, members.buffers.at(name)->value(), value);
  }
}

}  // namespace

void run_layers(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  for (const Json& item : cases_of(document, "cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { compare_layer(test, item); });
  }
}

}  // namespace lamina::test
