// batch_normalization/: what tf.compat.v1.layers.batch_normalization itself computed.
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>

#include "golden_runner/batch_normalization_errors.hpp"
#include "golden_runner/batch_normalization_layer.hpp"
#include "golden_runner/batch_normalization_regularization.hpp"
#include "golden_runner/runners.hpp"
#include "golden_runner/scope_program.hpp"

namespace lamina::test {
namespace {

const FeatureList kNotBuilt = {
    {"float16", "lamina computes in float and double"},
    {"bfloat16", "lamina computes in float and double"},
};

// The fields of a case that mean something; another one with numbers in it would go uncompared.
const std::set<std::string> kFields = {"name",          "source",     "dtype",     "shape",
                                       "arguments",     "adjustment", "initial",   "variables",
                                       "initial_state", "steps",      "inference", "trainable"};
const std::set<std::string> kCallFields = {"x",      "dy",    "y",     "dx",
                                           "dgamma", "dbeta", "state", "tolerance"};

void require_known_fields(const Json& object, const std::set<std::string>& known) {
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(key) && value.is_structured()) {
      throw CaseFailed("the runner does not compare the field '" + key + "'");
    }
  }
}

// What is stored in float32 stands for every number that rounds to it: the slack of a comparison in
// double. In float there is none, the recorded decimals being read to the same bits.
constexpr double kRoundingOfFloat32 = 0x1p-23;

// The seed's choice of the variance estimator depends on the type, so a float32 case that is run in
// double says which one it means.
VarianceEstimator recorded_estimator(const BatchNormalizationOptions& options, const Shape& shape) {
  const NormalizationAxes axes(options.axis, shape);
  const bool may_fuse = options.fused.value_or(true) && !options.renorm &&
                        !options.virtual_batch_size && !options.adjustment;
  return tensorflow_would_fuse(DType::float32, shape.rank(), axes.kept(), may_fuse)
             ? VarianceEstimator::unbiased
             : VarianceEstimator::biased;
}

template <Scalar T>
Adjustment recorded_adjustment(const Json& json) {
  return [scale = golden_tensor<T>(json.at("scale")), bias = golden_tensor<T>(json.at("bias"))](
             const Shape&) { return ScaleAndBias<T>{.scale = scale, .bias = bias}; };
}

// `tolerance` has no entries for the initial state, which is as given up to its rounding.
template <Scalar T>
void compare_state(GoldenCase& test, BatchNormalization<T>& layer, const Json& recorded,
                   const std::string& when, const Json& tolerance, bool converted) {
  for (const auto& [name, value] : state_of(layer)) {
    // gamma and beta never change, and are recorded only once.
    if ((name == "gamma" || name == "beta") && !recorded.contains(name)) continue;
    if (!recorded.contains(name)) {
      test.check(false, when + ": no value of " + name + " is recorded");
      continue;
    }
    const bool given = tolerance.contains("state." + name);
    test.compare_flat(when + "." + name, value, recorded.at(name),
                      {.relative = converted || !given ? kRoundingOfFloat32 : 0,
                       .absolute = given ? golden_number(tolerance.at("state." + name)) : 0});
  }
}

// Where the seed turns the statistics of an empty batch into NaN, and the gradients with them,
// lamina leaves the statistics alone and gives zeros.
template <Scalar T>
void compare_empty_call(GoldenCase& test, BatchNormalization<T>& layer, const CallResult<T>& call,
                        const std::vector<std::pair<std::string, Tensor<T>>>& before,
                        const std::string& when) {
  const auto after = state_of(layer);
  for (std::size_t i = 0; i < after.size(); ++i) {
    test.check(identical(before[i].second, after[i].second),
               when + "." + after[i].first + " must be untouched");
  }
  test.check(call.y.shape() == call.dx.shape() && call.y.size() == 0, when + ": not empty");
  for (const auto* gradient : {&call.dgamma, &call.dbeta}) {
    if (!gradient->defined()) continue;
    test.check(identical(*gradient, Tensor<T>::zeros(gradient->shape())),
               when + ": the gradients of gamma and beta must be 0");
  }
}

template <Scalar T>
void compare_call(GoldenCase& test, const CallResult<T>& call, const Json& recorded,
                  const std::string& when) {
  const Json& tolerance = recorded.at("tolerance");
  const auto compare = [&](const char* name, const Tensor<T>& value) {
    if (!value.defined())
      return test.check(!recorded.contains(name), when + "." + name + " missing");
    test.compare_flat(when + "." + name, value, recorded.at(name),
                      absolute(golden_number(tolerance.at(name))));
  };
  require_known_fields(recorded, kCallFields);
  compare("y", call.y);
  compare("dx", call.dx);
  compare("dgamma", call.dgamma);
  compare("dbeta", call.dbeta);
}

// One value per channel (in each ghost batch): without correction the answer is beta, exactly.
template <Scalar T>
void require_exact_answer(GoldenCase& test, const BatchNormalization<T>& layer, const Shape& shape,
                          const CallResult<T>& call) {
  const auto& options = layer.options();
  if (options.renorm || options.adjustment) return;
  const NormalizationAxes axes(options.axis, shape);
  const std::int64_t groups =
      options.virtual_batch_size ? shape[0] / *options.virtual_batch_size : 1;
  if (axes.layout().count() != groups) return;
  const Tensor<T>& beta = layer.beta().value();
  const NormLayout& layout = axes.layout();
  const Tensor<T> y = axes.arranged(Variable<T>(call.y)).value();
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const T expected = options.center ? beta.data()[i / layout.inner % layout.channels] : T{0};
    if (y.data()[i] != expected) return test.check(false, "y must be beta exactly");
  }
  for (const T value : call.dx.values()) {
    if (value != T{0}) return test.check(false, "dx must be 0 exactly");
  }
}

template <Scalar T>
void run_case(GoldenCase& test, const Json& item, bool converted) {
  require_known_fields(item, kFields);
  ArgumentReader arguments(item.at("arguments"));
  BatchNormalizationOptions options = options_from(arguments);
  const bool training = arguments.get("training", true);
  arguments.finish();
  if (item.contains("adjustment")) {
    options.adjustment = recorded_adjustment<T>(item.at("adjustment"));
  }
  set_initial(options, item.at("initial"));
  const Shape shape = recorded_shape(item);
  if (converted) options.variance_estimator = recorded_estimator(options, shape);
  if (refused_by_lamina(item.at("arguments"))) {
    try {
      BatchNormalization<T> refused(options);
    } catch (const ArgumentError&) {
      return test.check(true, "");
    }
    test.fail("must be refused, was accepted");
  }

  BatchNormalization<T> layer(options);
  const bool trainable = layer.gamma().trainable();
  Rng rng(1);
  const Context<T> probe{.updates = StateUpdates::discard, .rng = &rng};
  layer(golden_tensor<T>(item.at("steps").at(0).at("x")), probe);

  // The seed's parameters of ghost batches have one more dimension, of size 1.
  std::map<std::string, std::int64_t> sizes, recorded_sizes;
  for (const auto& [name, value] : state_of(layer)) sizes[name] = value.size();
  for (const auto& [name, extents] : item.at("variables").items()) {
    recorded_sizes[name] = recorded_shape({{"shape", extents}}).size();
  }
  test.check(sizes == recorded_sizes, "the variables differ in names or sizes");
  test.check(trainable == !item.at("trainable").empty() || !(options.scale || options.center),
             "the trainable set differs");
  compare_state(test, layer, item.at("initial_state"), "initial", Json::object(), converted);

  int number = 0;
  for (const Json& step : item.at("steps")) {
    const std::string when = "step " + std::to_string(number);
    const auto before = state_of(layer);
    const auto result = call(layer, golden_tensor<T>(step.at("x")), golden_tensor<T>(step.at("dy")),
                             training, number++);
    if (shape.size() == 0) {
      compare_empty_call(test, layer, result, before, when);
      continue;
    }
    compare_call(test, result, step, when);
    compare_state(test, layer, step.at("state"), when, step.at("tolerance"), converted);
    if (training) require_exact_answer(test, layer, shape, result);
  }
  const Json& inference = item.at("inference");
  const auto before = state_of(layer);
  const auto result =
      call(layer, golden_tensor<T>(inference.at("x")), golden_tensor<T>(inference.at("dy")), false);
  if (shape.size() == 0) return compare_empty_call(test, layer, result, before, "inference");
  compare_call(test, result, inference, "inference");
}

void run_recorded_case(GoldenReport& report, const Json& item) {
  const std::string name = item.at("name"), dtype = item.at("dtype");
  report.run(name, [&](GoldenCase& test) {
    test.skip_if_listed(kNotBuilt, dtype);
    if (dtype == "float32") return run_case<float>(test, item, false);
    if (dtype == "float64") return run_case<double>(test, item, false);
    test.fail("unknown dtype " + dtype);
  });
  // The seed cannot run renorm in float64; its float32 numbers are a check of ours.
  const Json& arguments = item.at("arguments");
  if (dtype == "float32" && arguments.contains("renorm") && truth(arguments.at("renorm"))) {
    report.run(name + " in double", [&](GoldenCase& test) { run_case<double>(test, item, true); });
  }
}

void run_names(const Json& document, GoldenReport& report) {
  for (const Json& item : document.at("cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) { run_scope_program(test, item); });
  }
}

}  // namespace

void run_batch_normalization(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  const std::string name = file.stem().string();
  if (name == "_errors") return run_batch_normalization_errors(document, report);
  if (name == "_names") return run_names(document, report);
  if (name == "_regularization") {
    return run_batch_normalization_regularization(document, report);
  }
  run_recorded_case(report, document);
}

}  // namespace lamina::test
