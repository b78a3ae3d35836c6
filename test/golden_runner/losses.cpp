// losses.json: values and gradients with respect to the prediction, of Keras and PyTorch.
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/layers/cross_entropy.hpp>
#include <lamina/layers/regression_loss.hpp>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

const char* const kNoLoss = "the loss is not built";

const FeatureList kNotBuilt = {
    {"weight with pos_weight", "weights are of entries, which are means over the last axis"},
    {"nll", "losses take logits, not log-probabilities"},
    {"from_probabilities", "losses take logits, not probabilities"},
    {"smooth_l1", "PyTorch's scaling of the Huber loss is not built"},
    {"kl_div", kNoLoss},
    {"KLDivergence", kNoLoss},
    {"LogCosh", kNoLoss},
    {"CosineSimilarity", kNoLoss},
    {"MeanAbsolutePercentageError", kNoLoss},
    {"MeanSquaredLogarithmicError", kNoLoss},
    {"Hinge", kNoLoss},
    {"SquaredHinge", kNoLoss},
    {"CategoricalHinge", kNoLoss},
    {"Poisson", kNoLoss},
    {"poisson_nll", kNoLoss},
};

Reduction reduction_of(ArgumentReader& arguments) {
  const std::string name = arguments.get<std::string>("reduction", "mean");
  if (name == "mean") return Reduction::mean;
  if (name == "sum") return Reduction::sum;
  if (name == "none") return Reduction::none;
  throw CaseFailed("unknown reduction " + name);
}

// What a case gives besides prediction and target.
struct Extra {
  std::vector<double> weights;  // per class, or of positive targets
  Tensor<double> sample_weight;
};

Extra extra_of(const Json& item, const char* weights) {
  Extra extra;
  if (!item.contains("extra")) return extra;
  ArgumentReader reader(item.at("extra"));
  if (reader.has(weights)) extra.weights = golden_array(reader.at(weights)).data;
  if (reader.has("sample_weight")) {
    extra.sample_weight = golden_tensor<double>(reader.at("sample_weight"));
  }
  // PyTorch's weight of single elements.
  if (std::string(weights) == "pos_weight" && reader.has("weight")) {
    extra.sample_weight = golden_tensor<double>(reader.at("weight"));
  }
  reader.finish();
  return extra;
}

Variable<double> softmax_loss(const Json& item, ArgumentReader& arguments,
                              const Variable<double>& prediction) {
  const bool torch = item.at("framework") == "torch";
  const Extra extra = extra_of(item, "weight");
  SoftmaxCrossEntropyOptions options{.label_smoothing = arguments.get("label_smoothing", 0.0),
                                     .class_weights = extra.weights,
                                     .reduction = reduction_of(arguments)};
  if (torch) options.axis = 1;
  if (torch && golden_array(item.at("target")).shape.rank() < prediction.rank()) {
    options.ignore_index = arguments.get<std::int64_t>("ignore_index", -100);
  }
  if (arguments.has("ignore_class")) {
    options.ignore_index = arguments.at("ignore_class").get<std::int64_t>();
  }
  const SoftmaxCrossEntropy loss(options);
  const Json& target = item.at("target");
  if (golden_array(target).shape == prediction.shape()) {
    return loss(prediction, golden_tensor<double>(target), extra.sample_weight);
  }
  return loss(prediction, golden_tensor<std::int64_t>(target), extra.sample_weight);
}

Variable<double> elementwise_loss(const std::string& name, const Json& item,
                                  ArgumentReader& arguments, Variable<double> prediction,
                                  Tensor<double> target) {
  const bool binary = name == "BinaryCrossentropy" || name == "binary_cross_entropy_with_logits";
  const Extra extra = extra_of(item, binary ? "pos_weight" : "none");
  const Reduction reduction = reduction_of(arguments);
  if (item.at("framework") == "torch" && reduction != Reduction::mean) {
    // PyTorch has an entry per element: here that is a last axis of extent 1.
    const Shape single = prediction.shape().inserted(prediction.rank(), 1);
    prediction = reshape(prediction, single);
    target = target.reshaped(single);
  }
  if (binary) {
    const SigmoidCrossEntropy loss({.label_smoothing = arguments.get("label_smoothing", 0.0),
                                    .pos_weight = extra.weights,
                                    .reduction = reduction});
    return loss(prediction, target, extra.sample_weight);
  }
  if (name == "mse" || name == "MeanSquaredError") {
    return MeanSquaredError({.reduction = reduction})(prediction, target, extra.sample_weight);
  }
  if (name == "l1" || name == "MeanAbsoluteError") {
    return MeanAbsoluteError({.reduction = reduction})(prediction, target, extra.sample_weight);
  }
  if (name == "huber" || name == "Huber") {
    const Huber loss({.delta = arguments.get("delta", 1.0), .reduction = reduction});
    return loss(prediction, target, extra.sample_weight);
  }
  throw CaseFailed("unknown loss " + name);
}

void compare_loss(GoldenCase& test, const Json& item) {
  const std::string name = item.at("loss");
  test.skip_if_listed(kNotBuilt, name);
  ArgumentReader arguments(item.at("arguments"));
  if (!arguments.get("from_logits", true)) test.skip_if_listed(kNotBuilt, "from_probabilities");

  if (item.contains("extra") && item.at("extra").size() == 2) {
    test.skip_if_listed(kNotBuilt, "weight with pos_weight");
  }

  Tape<double> tape;
  const auto prediction = tape.watch(golden_tensor<double>(item.at("prediction")));
  Variable<double> loss;
  if (name == "cross_entropy" || name.ends_with("CategoricalCrossentropy")) {
    loss = softmax_loss(item, arguments, prediction);
  } else {
    loss = elementwise_loss(name, item, arguments, prediction,
                            golden_tensor<double>(item.at("target")));
  }
  arguments.finish();
  if (item.at("value").at("data").at(0) == "nan") {
    test.check(loss.item() == 0, "where every label is ignored, the loss is 0 and not NaN");
  } else {
    test.compare("value", loss.value(), item.at("value"));
  }
  GradientOptions<double> options;
  if (item.contains("upstream")) options.seed = golden_tensor<double>(item.at("upstream"));
  test.compare("gradient", tape.gradients(loss, {prediction}, options)[0].value(),
               item.at("gradient"));
}

}  // namespace

void run_losses(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  for (const Json& item : document.at("cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { compare_loss(test, item); });
  }
}

}  // namespace lamina::test
