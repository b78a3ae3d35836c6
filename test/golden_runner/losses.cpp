// losses.json: values and gradients with respect to the prediction, of Keras and PyTorch.
#include <functional>
#include <lamina/autograd/ops/join.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/layers/cross_entropy.hpp>
#include <lamina/layers/regression_loss.hpp>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

const char* const kNoLoss = "the loss is not built";

const FeatureList kNotBuilt = {
    {"mean_with_sample_weight", "sample weights do not change what the mean divides by"},
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

// Keras' name for the mean is sum_over_batch_size, its null is none.
Reduction reduction_of(ArgumentReader& arguments) {
  const bool null = arguments.has("reduction") && arguments.at("reduction").is_null();
  const std::string name = arguments.get<std::string>("reduction", null ? "none" : "mean");
  if (name == "mean" || name == "sum_over_batch_size") return Reduction::mean;
  if (name == "sum") return Reduction::sum;
  if (name == "none") return Reduction::none;
  throw CaseFailed("unknown reduction " + name);
}

// What a case gives besides prediction and target.
struct Extra {
  std::vector<double> weights;  // per class, or of positive targets
  Tensor<double> sample_weight;
  Tensor<double> weight;  // PyTorch's, of single elements
};

Extra extra_of(const Json& item, const char* weights) {
  Extra extra;
  if (!item.contains("extra")) return extra;
  ArgumentReader reader(item.at("extra"));
  if (reader.has(weights)) extra.weights = golden_array(reader.at(weights)).data;
  if (reader.has("sample_weight")) {
    extra.sample_weight = golden_tensor<double>(reader.at("sample_weight"));
  }
  if (std::string(weights) == "pos_weight" && reader.has("weight")) {
    extra.weight = golden_tensor<double>(reader.at("weight"));
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
  options.axis = arguments.get("axis", -1);
  if (torch) options.axis = prediction.rank() == 1 ? 0 : 1;  // a single example has no batch axis
  if (torch && golden_array(item.at("target")).shape.rank() < prediction.rank()) {
    options.ignore_index = arguments.get<std::int64_t>("ignore_index", -100);
  }
  if (arguments.has("ignore_class")) {
    options.ignore_index = arguments.at("ignore_class").get<std::int64_t>();
  }
  const SoftmaxCrossEntropy loss(options);
  const Json& target = item.at("target");
  if (golden_array(target).shape.rank() < prediction.rank()) {
    return loss(prediction, golden_tensor<std::int64_t>(target), extra.sample_weight);
  }
  if (item.at("loss") == "SparseCategoricalCrossentropy") {  // labels with an axis of extent 1
    const auto labels = golden_tensor<std::int64_t>(target);
    return loss(prediction, labels.reshaped(prediction.shape().without(options.axis)),
                extra.sample_weight);
  }
  return loss(prediction, golden_tensor<double>(target), extra.sample_weight);
}

using V = Variable<double>;
using Loss = std::function<V(const V& prediction, const V& target, const Tensor<double>& weight)>;

// pos_weight is of the binary cross-entropy; the others are recorded without.
Loss elementwise(const std::string& name, ArgumentReader& a, std::vector<double> pos_weight,
                 Reduction reduction) {
  if (name == "BinaryCrossentropy" || name == "binary_cross_entropy_with_logits") {
    return [loss = SigmoidCrossEntropy({.label_smoothing = a.get("label_smoothing", 0.0),
                                        .pos_weight = std::move(pos_weight),
                                        .reduction = reduction})](
               const V& p, const V& t, const Tensor<double>& w) { return loss(p, t, w); };
  }
  if (name == "mse" || name == "MeanSquaredError") {
    return MeanSquaredError({.reduction = reduction});
  }
  if (name == "l1" || name == "MeanAbsoluteError") {
    return MeanAbsoluteError({.reduction = reduction});
  }
  if (name == "huber" || name == "Huber") {
    return Huber({.delta = a.get("delta", 1.0), .reduction = reduction});
  }
  throw CaseFailed("unknown loss " + name);
}

// x[..., i:i+1]
V column(const V& x, std::int64_t i) {
  std::vector<Range> ranges(static_cast<std::size_t>(x.rank()));
  ranges.back() = {i, i + 1};
  return slice(x, std::span<const Range>(ranges));
}

// PyTorch has an entry per element: here that is a last axis of extent 1, and for weights by class
// one column after the other.
V torch_elements(const std::string& name, ArgumentReader& a, const Extra& extra,
                 const V& prediction, const V& target) {
  V weight;
  if (extra.weight.defined()) weight = broadcast_to(V(extra.weight), prediction.shape());
  const auto entries = [&](const V& p, const V& t, const V& w, std::vector<double> pos_weight) {
    const Shape single = p.shape().inserted(p.rank(), 1);
    const Loss loss = elementwise(name, a, std::move(pos_weight), Reduction::none);
    return loss(reshape(p, single), reshape(t, single), w.value());
  };
  if (extra.weights.size() <= 1) return entries(prediction, target, weight, extra.weights);
  std::vector<V> columns;
  for (std::size_t i = 0; i < extra.weights.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    columns.push_back(entries(column(prediction, at), column(target, at),
                              weight.defined() ? column(weight, at) : V(), {extra.weights[i]}));
  }
  return concatenate(std::span<const V>(columns), -1);
}

V elementwise_loss(const std::string& name, const Json& item, ArgumentReader& arguments,
                   const V& prediction, const Tensor<double>& target) {
  const bool binary = name == "BinaryCrossentropy" || name == "binary_cross_entropy_with_logits";
  const Extra extra = extra_of(item, binary ? "pos_weight" : "none");
  const Reduction reduction = reduction_of(arguments);
  const bool plain = reduction == Reduction::mean && !extra.weight.defined();
  if (item.at("framework") != "torch" || plain) {
    return elementwise(name, arguments, extra.weights, reduction)(prediction, target,
                                                                  extra.sample_weight);
  }
  const V elements = torch_elements(name, arguments, extra, prediction, target);
  if (reduction == Reduction::none) return elements;
  return reduction == Reduction::mean ? mean(elements) : sum(elements);
}

void compare_loss(GoldenCase& test, const Json& item) {
  const std::string name = item.at("loss");
  test.skip_if_listed(kNotBuilt, name);
  ArgumentReader arguments(item.at("arguments"));
  if (name.ends_with("Crossentropy") && !arguments.get("from_logits", false)) {
    test.skip_if_listed(kNotBuilt, "from_probabilities");
  }
  test.skip_if_listed(kNotBuilt, arguments.get<std::string>("reduction", "none"));
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
  for (const Json& item : cases_of(document, "cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { compare_loss(test, item); });
  }
}

}  // namespace lamina::test
