// batch_normalization/: what tf.compat.v1.layers.batch_normalization itself computed.
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/regularizers.hpp>

#include "golden_runner/batch_normalization_layer.hpp"
#include "golden_runner/runners.hpp"
#include "golden_runner/scope_program.hpp"

namespace lamina::test {
namespace {

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_float32(const Json& item) { return item.at("dtype") == "float32"; }

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

template <Scalar T>
void compare_state(GoldenCase& test, BatchNormalization<T>& layer, const Json& recorded,
                   const std::string& when, const Json* tolerance) {
  for (const auto& [name, value] : state_of(layer)) {
    if (!recorded.contains(name)) continue;
    const double allowed = tolerance && tolerance->contains("state." + name)
                               ? tolerance->at("state." + name).template get<double>()
                               : 1e-7;
    test.compare_flat(when + "." + name, value, recorded.at(name), absolute(allowed));
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
                      absolute(tolerance.at(name).get<double>()));
  };
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
  ArgumentReader arguments(item.at("arguments"));
  BatchNormalizationOptions options = options_from(arguments);
  arguments.finish();
  if (item.contains("adjustment")) {
    options.adjustment = recorded_adjustment<T>(item.at("adjustment"));
  }
  set_initial(options, item.at("initial"));
  const Shape shape(
      std::span<const std::int64_t>(item.at("shape").get<std::vector<std::int64_t>>()));
  if (converted) options.variance_estimator = recorded_estimator(options, shape);

  const auto& clipping = options.renorm_clipping;
  if (clipping.rmax && clipping.rmin && clipping.rmax->at(0) < clipping.rmin->at(0)) {
    // The seed lets rmax win; lamina refuses.
    try {
      BatchNormalization<T> refused(options);
    } catch (const ArgumentError&) {
      return test.check(true, "");
    }
    test.fail("rmax below rmin must be refused");
  }

  BatchNormalization<T> layer(options);
  const bool trainable = layer.gamma().trainable();
  Rng rng(1);
  const Context<T> probe{.updates = StateUpdates::discard, .rng = &rng};
  layer(golden_tensor<T>(item.at("steps").at(0).at("x")), probe);

  std::vector<std::string> names;
  for (const auto& [name, value] : state_of(layer)) names.push_back(name);
  std::vector<std::string> recorded_names, recorded_trainable;
  for (const auto& [name, value] : item.at("variables").items()) recorded_names.push_back(name);
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  std::sort(recorded_names.begin(), recorded_names.end());
  test.check(sorted == recorded_names, "the variables differ");
  test.check(trainable == !item.at("trainable").empty() || !(options.scale || options.center),
             "the trainable set differs");
  compare_state(test, layer, item.at("initial_state"), "initial", nullptr);

  int number = 0;
  for (const Json& step : item.at("steps")) {
    const std::string when = "step " + std::to_string(number);
    const auto result = call(layer, golden_tensor<T>(step.at("x")), golden_tensor<T>(step.at("dy")),
                             true, number++);
    compare_call(test, result, step, when);
    compare_state(test, layer, step.at("state"), when, &step.at("tolerance"));
    require_exact_answer(test, layer, shape, result);
  }
  const Json& inference = item.at("inference");
  compare_call(
      test,
      call(layer, golden_tensor<T>(inference.at("x")), golden_tensor<T>(inference.at("dy")), false),
      inference, "inference");
}

void run_recorded_case(GoldenReport& report, const Json& item) {
  const std::string name = item.at("name");
  const bool float32 = is_float32(item);
  report.run(name, [&](GoldenCase& test) {
    float32 ? run_case<float>(test, item, false) : run_case<double>(test, item, false);
  });
  // The seed cannot run renorm in float64; its float32 numbers are a check of ours.
  if (float32 && item.at("arguments").value("renorm", false)) {
    report.run(name + " in double", [&](GoldenCase& test) { run_case<double>(test, item, true); });
  }
}

// What lamina refuses although the seed accepts it (spec/README.md).
bool refused_by_lamina(const Json& arguments) {
  const auto outside = [&](const char* key) {
    const double value = arguments.value(key, 0.5);
    return !(value >= 0 && value <= 1);
  };
  if (outside("momentum") || outside("renorm_momentum")) return true;
  if (arguments.value("epsilon", 0.0) < 0) return true;
  if (!arguments.contains("renorm_clipping")) return false;
  const Json& clipping = arguments.at("renorm_clipping");
  return !arguments.value("renorm", false) ||
         (clipping.contains("rmin") && clipping.contains("rmax") &&
          clipping.at("rmin") > clipping.at("rmax"));
}

// Arguments that do not compile in C++: an axis that is no number, a bound of another name.
bool cannot_be_written(const Json& arguments) {
  if (arguments.contains("axis") && arguments.at("axis").is_string()) return true;
  if (!arguments.contains("renorm_clipping")) return false;
  for (const auto& [key, value] : arguments.at("renorm_clipping").items()) {
    if (key != "rmin" && key != "rmax" && key != "dmax") return true;
  }
  return false;
}

template <Scalar T>
void run_odd_arguments(GoldenCase& test, const Json& item) {
  Json given = item.at("arguments");
  if (cannot_be_written(given)) return test.check(true, "");
  const bool adjusted = given.erase("adjustment") > 0;
  ArgumentReader arguments(given);
  BatchNormalizationOptions options = options_from(arguments);
  arguments.finish();
  if (adjusted) {
    options.adjustment = [](const Shape&) {
      return ScaleAndBias<T>{.scale = Tensor<T>::ones({1}), .bias = Tensor<T>::zeros({1})};
    };
  }
  const Shape shape(
      std::span<const std::int64_t>(item.at("shape").get<std::vector<std::int64_t>>()));
  const bool refused = item.at("result") != "ok" || refused_by_lamina(given);
  try {
    BatchNormalization<T> layer(options);
    Tape<T> tape;
    Rng rng(1);
    layer(Tensor<T>(shape, T{2}), Context<T>::for_training(tape, rng));
    if (refused) test.fail("must be refused, was accepted");
    for (const auto& [name, value] : state_of(layer)) {
      const Json& state = item.at("state");
      for (const auto& [full_name, recorded] : state.items()) {
        // Where the seed turns the statistics of an empty batch into NaN, lamina leaves them alone.
        if (last_part(full_name) != name) continue;
        if (shape.size() == 0) {
          const bool starts_at_one = name == "gamma" || name == "moving_variance";
          for (const T v : value.values()) {
            test.check(v == (starts_at_one ? T{1} : T{0}), name + " must be untouched");
          }
        } else {
          test.compare_flat(name, value, recorded, absolute(1e-6));
        }
      }
    }
    test.check(true, "");
  } catch (const ArgumentError& error) {
    test.check(refused, std::string("refused: ") + error.what());
  } catch (const ShapeError& error) {
    test.check(refused, std::string("refused: ") + error.what());
  }
}

void run_errors(const Json& document, GoldenReport& report) {
  for (const Json& item : document.at("cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) {
      is_float32(item) ? run_odd_arguments<float>(test, item)
                       : run_odd_arguments<double>(test, item);
    });
  }
}

// The tolerance of the file: 4 units in the last place of the largest value, at least 1e-6.
Tolerance regularization_tolerance(const Json& recorded) {
  double largest = 0;
  for (const double value : golden_array(recorded).data)
    largest = std::max(largest, std::abs(value));
  return absolute(std::max(4 * 0x1p-23 * largest, 1e-6));
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

void run_penalty(GoldenCase& test, const Json& document, const Json& item) {
  Json given = item.at("arguments");
  BatchNormalizationOptions options;
  if (given.contains("gamma_regularizer")) {
    options.gamma_regularizer = recorded_regularizer(given.at("gamma_regularizer"));
  }
  if (given.contains("beta_regularizer")) {
    options.beta_regularizer = recorded_regularizer(given.at("beta_regularizer"));
  }
  options.scale = given.value("scale", true);
  options.trainable = given.value("trainable", true);
  for (const char* key :
       {"gamma_regularizer", "beta_regularizer", "scale", "trainable", "training"}) {
    given.erase(key);
  }
  if (!given.empty()) test.fail("unknown arguments: " + given.dump());
  set_initial(options, {{"gamma", document.at("gamma")}, {"beta", document.at("beta")}});
  BatchNormalization<float> layer(options);
  Rng rng(1);
  const Context<float> ctx{.updates = StateUpdates::discard, .rng = &rng};
  const auto channels = golden_array(document.at("gamma")).shape[0];
  layer(Tensor<float>(Shape{2, channels}, 1.0f), ctx);
  test.compare("total", layer.regularization(ctx).value(), item.at("total"),
               regularization_tolerance(item.at("total")));
}

void run_regularization(const Json& document, GoldenReport& report) {
  for (const Json& item : document.at("regularizers")) {
    report.run("regularizer " + item.at("name").get<std::string>(),
               [&](GoldenCase& test) { run_penalty(test, document, item); });
  }
  for (const Json& item : document.at("constraints")) {
    report.run("constraint " + item.at("name").get<std::string>() + " " +
                   golden_array(item.at("input")).shape.to_string(),
               [&](GoldenCase& test) {
                 const Constraint constraint =
                     recorded_constraint(item.at("name"), item.at("arguments"));
                 test.compare("output", constraint(golden_tensor<float>(item.at("input"))),
                              item.at("output"), regularization_tolerance(item.at("output")));
               });
  }
  for (const Json& item : document.at("gradient_step")) {
    report.run("gradient step " + item.at("name").get<std::string>(), [&](GoldenCase& test) {
      const Constraint constraint = recorded_constraint(item.at("name"), item.at("arguments"));
      Tensor<float> gamma = golden_tensor<float>(item.at("gamma"));
      const Tensor<float> gradient = golden_tensor<float>(item.at("dgamma"));
      const float rate = item.at("learning_rate").get<float>();
      for (std::int64_t i = 0; i < gamma.size(); ++i) {
        gamma.mutable_data()[i] -= rate * gradient.data()[i];
      }
      test.compare("gamma_after", constraint(gamma), item.at("gamma_after"),
                   regularization_tolerance(item.at("gamma_after")));
    });
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
  if (name == "_errors") return run_errors(document, report);
  if (name == "_names") return run_names(document, report);
  if (name == "_regularization") return run_regularization(document, report);
  run_recorded_case(report, document);
}

}  // namespace lamina::test
