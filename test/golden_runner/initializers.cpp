// initializers.json: exact values; for random ones the fans, the bounds and the moments of many
// draws; for orthogonal ones the Gram matrix.
#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/nn/initializers.hpp>

#include "golden_runner/runners.hpp"

namespace lamina::test {
namespace {

Initializer variance_scaling_of(ArgumentReader& arguments) {
  const std::map<std::string, FanMode> modes = {
      {"fan_in", FanMode::fan_in}, {"fan_out", FanMode::fan_out}, {"fan_avg", FanMode::fan_avg}};
  const std::map<std::string, Distribution> distributions = {
      {"truncated_normal", Distribution::truncated_normal},
      {"untruncated_normal", Distribution::untruncated_normal},
      {"uniform", Distribution::uniform}};
  return variance_scaling({.scale = arguments.get("scale", 1.0),
                           .mode = modes.at(arguments.get<std::string>("mode", "fan_in")),
                           .distribution = distributions.at(
                               arguments.get<std::string>("distribution", "truncated_normal"))});
}

Initializer initializer_of(const std::string& name, ArgumentReader& arguments) {
  if (name == "Zeros") return zeros();
  if (name == "Ones") return ones();
  if (name == "Constant") return constant(arguments.get("value", 0.0));
  if (name == "Identity") return identity(arguments.get("gain", 1.0));
  if (name == "RandomUniform") {
    return uniform(arguments.get("minval", -0.05), arguments.get("maxval", 0.05));
  }
  if (name == "RandomNormal") {
    return normal(arguments.get("mean", 0.0), arguments.get("stddev", 0.05));
  }
  if (name == "TruncatedNormal") {
    return truncated_normal(arguments.get("mean", 0.0), arguments.get("stddev", 0.05));
  }
  if (name == "VarianceScaling") return variance_scaling_of(arguments);
  if (name == "Orthogonal") return orthogonal(arguments.get("gain", 1.0));
  // What these names stand for is recorded, and says nothing that the moments do not.
  arguments.ignore({"scale", "mode", "distribution"});
  if (name == "GlorotUniform") return glorot_uniform();
  if (name == "GlorotNormal") return glorot_normal();
  if (name == "HeUniform") return he_uniform();
  if (name == "HeNormal") return he_normal();
  if (name == "LecunUniform") return lecun_uniform();
  if (name == "LecunNormal") return lecun_normal();
  throw CaseFailed("unknown initializer " + name);
}

Initializer initializer_of(const Json& item) {
  ArgumentReader arguments(item.at("arguments"));
  Initializer initializer = initializer_of(item.at("initializer"), arguments);
  arguments.finish();
  return initializer;
}

Shape shape_of(const Json& extents) {
  return Shape(std::span<const std::int64_t>(extents.get<std::vector<std::int64_t>>()));
}

void compare_exact(GoldenCase& test, const Json& item) {
  const Json& value = item.at("value");
  test.compare("value",
               initializer_of(item).operator()<double>(shape_of(value.at("shape")),
                                                       Rng(1).stream("value", 0)),
               value, {.relative = 0});
}

// The moments of `draws` numbers lie within five of their own deviations of the recorded ones.
void compare_random(GoldenCase& test, const Json& item) {
  const Shape shape = shape_of(item.at("shape"));
  const Fans fans = fans_of(shape);
  test.compare("fan in", fans.in, item.at("fans").at(0), {.relative = 0});
  test.compare("fan out", fans.out, item.at("fans").at(1), {.relative = 0});

  const Initializer initializer = initializer_of(item);
  const Rng rng(1);
  std::vector<double> values;
  for (std::int64_t step = 0; values.size() < 100000; ++step) {
    const auto draw = initializer.operator()<double>(shape, rng.stream("value", step));
    values.insert(values.end(), draw.values().begin(), draw.values().end());
  }
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0, fourths = 0;
  for (const double value : values) sum += value;
  const double mean = sum / n;
  for (const double value : values) {
    const double square = (value - mean) * (value - mean);
    squares += square;
    fourths += square * square;
  }
  const double variance = squares / n, deviation = std::sqrt(variance);
  const double error_of_deviation =
      std::sqrt(fourths / n - variance * variance) / std::sqrt(n) / (2 * deviation);
  test.compare("mean", mean, item.at("mean"), absolute(5 * deviation / std::sqrt(n)));
  test.compare("deviation", deviation, item.at("stddev"), absolute(5 * error_of_deviation));

  if (!item.contains("lower")) return;
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  const double lower = item.at("lower"), upper = item.at("upper"), rounding = 1e-12;
  const double close = 0.01 * (upper - lower);
  test.check(*least >= lower - rounding && *least <= lower + close, "lower bound");
  test.check(*greatest <= upper + rounding && *greatest >= upper - close, "upper bound");
}

void compare_orthogonal(GoldenCase& test, const Json& item) {
  const Shape shape = shape_of(item.at("shape")), matrix = shape_of(item.at("matrix"));
  const auto q = initializer_of(item).operator()<double>(shape, Rng(1).stream("value", 0));
  test.check(q.shape() == shape, "shape");
  const bool by_rows = item.at("orthogonal") == "rows";
  const std::int64_t vectors = matrix[by_rows ? 0 : 1], length = matrix[by_rows ? 1 : 0];
  const std::int64_t vector_step = by_rows ? matrix[1] : 1, step = by_rows ? 1 : matrix[1];
  for (std::int64_t a = 0; a < vectors; ++a) {
    for (std::int64_t b = 0; b < vectors; ++b) {
      double product = 0;
      for (std::int64_t i = 0; i < length; ++i) {
        product += q.data()[a * vector_step + i * step] * q.data()[b * vector_step + i * step];
      }
      const double expected = a == b ? item.at("gram_diagonal").get<double>() : 0;
      test.check(std::abs(product - expected) < 1e-12, "Gram matrix");
    }
  }
}

}  // namespace

void run_initializers(const std::filesystem::path& file, GoldenReport& report) {
  const Json document = read_json(file);
  const std::map<std::string, void (*)(GoldenCase&, const Json&)> lists = {
      {"exact", compare_exact}, {"random", compare_random}, {"orthogonal", compare_orthogonal}};
  for (const auto& [list, compare] : lists) {
    for (const Json& item : cases_of(document, list, {"exact", "random", "orthogonal"})) {
      report.run(item.at("name"), [&](GoldenCase& test) { compare(test, item); });
    }
  }
}

}  // namespace lamina::test
