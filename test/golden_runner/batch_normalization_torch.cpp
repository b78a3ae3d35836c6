// batch_normalization_torch/: torch's own layer in training and evaluation, and its double
// backward.
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>

#include "golden_runner/batch_normalization_layer.hpp"
#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

BatchNormalizationOptions options_from_torch(const Json& given) {
  ArgumentReader arguments(given);
  PyTorchBatchNorm torch{.eps = arguments.get("eps", 1e-5),
                         .affine = arguments.get("affine", true),
                         .track_running_stats = arguments.get("track_running_stats", true)};
  const Json& momentum = arguments.at("momentum");
  torch.momentum =
      momentum.is_null() ? std::optional<double>() : std::optional(momentum.get<double>());
  arguments.finish();
  return BatchNormalizationOptions::from_pytorch(torch);
}

Json lamina_names(const Json& torch_state) {
  Json renamed = Json::object();
  const auto copy = [&](const char* from, const char* to) {
    if (torch_state.contains(from)) renamed[to] = torch_state.at(from);
  };
  copy("weight", "gamma");
  copy("bias", "beta");
  copy("running_mean", "moving_mean");
  copy("running_var", "moving_variance");
  return renamed;
}

template <Scalar T>
void compare_step(GoldenCase& test, BatchNormalization<T>& layer, const Json& step, bool training,
                  const std::string& when) {
  const auto result =
      call(layer, golden_tensor<T>(step.at("x")), golden_tensor<T>(step.at("dy")), training);
  const Json& tolerance = step.at("tolerance");
  const auto compare = [&](const char* name, const Tensor<T>& value) {
    if (!value.defined()) return;
    test.compare(when + "." + name, value, step.at(name),
                 absolute(tolerance.at(name).get<double>()));
  };
  compare("y", result.y);
  compare("dx", result.dx);
  compare("dweight", result.dgamma);
  compare("dbias", result.dbeta);
  // Where torch tracks nothing, lamina's statistics stay as they were made.
  const Json state = lamina_names(step.at("state"));
  const std::int64_t updates = layer.statistics().updates().value();
  test.check(updates == step.at("state").value("num_batches_tracked", std::int64_t{0}),
             when + ": the number of updates must be torch's");
  const std::map<std::string, std::string> torch_names = {{"moving_mean", "state.running_mean"},
                                                          {"moving_variance", "state.running_var"}};
  for (const auto& [name, value] : state_of(layer)) {
    if (!torch_names.contains(name)) continue;
    if (!state.contains(name)) {
      test.check(identical(value, Tensor<T>(value.shape(), name == "moving_mean" ? T{0} : T{1})),
                 when + ": " + name + " must be as it was made");
      continue;
    }
    const std::string& key = torch_names.at(name);
    const double allowed = tolerance.contains(key) ? tolerance.at(key).get<double>() : 1e-7;
    test.compare(when + "." + name, value, state.at(name), absolute(allowed));
  }
}

template <Scalar T>
void run_module(GoldenCase& test, const Json& item) {
  BatchNormalizationOptions options = options_from_torch(item.at("arguments"));
  Json initial = lamina_names(item.at("initial_state"));
  initial.update(lamina_names(item.at("parameters")));
  set_initial(options, initial);
  BatchNormalization<T> layer(options);
  Rng rng(1);
  layer(golden_tensor<T>(item.at("steps").at(0).at("x")),
        Context<T>{.updates = StateUpdates::discard, .rng = &rng});
  int number = 0;
  for (const Json& step : item.at("steps")) {
    compare_step(test, layer, step, true, "step " + std::to_string(number++));
  }
  compare_step(test, layer, item.at("evaluation"), false, "evaluation");
}

// Where torch refuses a batch with one value per channel, lamina gives y = beta; wrong channels and
// an empty batch it treats alike.
void run_module_error(GoldenCase& test, const Json& item) {
  const Shape shape(
      std::span<const std::int64_t>(item.at("shape").get<std::vector<std::int64_t>>()));
  BatchNormalization<float> layer({.axis = {1}});
  Rng rng(1);
  Tape<float> tape;
  layer(Tensor<float>({2, 3}, 1.0f), Context<float>{.updates = StateUpdates::discard, .rng = &rng});
  const auto before = state_of(layer);
  try {
    const auto y = layer(Tensor<float>(shape, 2.0f), Context<float>::for_training(tape, rng));
    test.check(shape[1] == 3, "wrong channels must be refused");
    if (shape.size() == 0) {
      test.check(y.shape() == shape, "an empty batch must give an empty output");
      for (std::size_t i = 0; i < before.size(); ++i) {
        test.check(identical(before[i].second, state_of(layer)[i].second),
                   "an empty batch must change nothing");
      }
    } else {
      for (const float value : y.value().values()) test.check(value == 0, "y must be beta");
    }
  } catch (const ShapeError&) {
    test.check(shape[1] != 3, "refused a valid shape");
  }
}

void run_second_order(GoldenCase& test, const Json& item) {
  BatchNormalizationOptions options{.axis = {item.at("axis").get<std::int64_t>()},
                                    .epsilon = item.at("epsilon").get<double>()};
  set_initial(options, {{"gamma", item.at("gamma")}, {"beta", item.at("beta")}});
  BatchNormalization<double> layer(options);
  Tape<double> tape;
  Rng rng(1);
  const auto ctx = Context<double>::for_training(tape, rng);
  const Variable<double> x = tape.watch(golden_tensor<double>(item.at("x")));
  const Variable<double> dy = tape.watch(golden_tensor<double>(item.at("dy")));
  const Variable<double> y = layer(x, ctx);
  const Variable<double> gamma = layer.gamma()(ctx), beta = layer.beta()(ctx);
  const auto first = tape.gradients(sum(y * dy), {x, gamma, beta}, {.create_graph = true});
  test.compare("y", y.value(), item.at("y"));
  test.compare("dx", first[0].value(), item.at("dx"));
  test.compare("dgamma", first[1].value(), item.at("dgamma"));
  test.compare("dbeta", first[2].value(), item.at("dbeta"));

  const Variable<double> v(golden_tensor<double>(item.at("v")));
  const auto second = tape.gradients(sum(first[0] * v), {x, gamma, dy, beta});
  const Json& recorded = item.at("second");
  const Json& tolerance = recorded.at("tolerance");
  const char* names[] = {"x", "gamma", "dy"};
  for (int i = 0; i < 3; ++i) {
    test.compare(std::string("second.") + names[i], second[i].value(), recorded.at(names[i]),
                 absolute(tolerance.at(names[i]).get<double>()));
  }
  for (const double value : second[3].value().values()) {
    test.check(value == 0, "the second derivative by beta must be 0");
  }
}

}  // namespace

void run_batch_normalization_torch(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  if (file.stem() == "second_order") {
    for (const Json& item : document.at("cases")) {
      report.run(item.at("name"), [&](GoldenCase& test) { run_second_order(test, item); });
    }
    return;
  }
  for (const Json& item : document.at("cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) {
      item.at("dtype") == "float32" ? run_module<float>(test, item)
                                    : run_module<double>(test, item);
    });
  }
  for (const Json& item : document.at("errors")) {
    report.run("error " + item.at("name").get<std::string>(),
               [&](GoldenCase& test) { run_module_error(test, item); });
  }
}

}  // namespace lamina::test
