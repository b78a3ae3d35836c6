#include "golden_runner/batch_normalization_regularization.hpp"

#include <algorithm>
#include <lamina/autograd/tensor/random.hpp>

#include "golden_runner/batch_normalization_layer.hpp"

namespace lamina::test {
namespace {

// The tolerance of the file: 4 units in the last place of the largest value, at least 1e-6.
Tolerance regularization_tolerance(const Json& recorded) {
  double largest = 0;
  for (const double value : golden_array(recorded).data)
    largest = std::max(largest, std::abs(value));
  return absolute(std::max(4 * 0x1p-23 * largest, 1e-6));
}

void run_penalty(GoldenCase& test, const Json& document, const Json& item) {
  ArgumentReader arguments(item.at("arguments"));
  BatchNormalizationOptions options = options_from(arguments);
  const bool training = arguments.get("training", true);
  arguments.finish();
  set_initial(options, {{"gamma", document.at("gamma")}, {"beta", document.at("beta")}});
  BatchNormalization<float> layer(options);
  Rng rng(1);
  const Context<float> ctx{.training = training, .updates = StateUpdates::discard, .rng = &rng};
  const auto channels = golden_array(document.at("gamma")).shape[0];
  layer(Tensor<float>(Shape{2, channels}, 1.0f), ctx);
  std::vector<Tensor<float>> losses;
  const auto add = [&](bool used, const Regularizer& regularizer, const Parameter<float>& weights) {
    if (used && regularizer)
      losses.push_back(regularizer(Variable<float>(weights.value())).value());
  };
  add(options.scale, options.gamma_regularizer, layer.gamma());
  add(options.center, options.beta_regularizer, layer.beta());
  const Json& recorded = item.at("losses");
  test.check(losses.size() == recorded.size(), "the number of losses differs");
  for (std::size_t i = 0; i < std::min(losses.size(), recorded.size()); ++i) {
    test.compare("loss " + std::to_string(i), losses[i], recorded[i],
                 regularization_tolerance(recorded[i]));
  }
  test.compare("total", layer.regularization(ctx).value(), item.at("total"),
               regularization_tolerance(item.at("total")));
}

}  // namespace

void run_batch_normalization_regularization(const Json& document, GoldenReport& report) {
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

}  // namespace lamina::test
