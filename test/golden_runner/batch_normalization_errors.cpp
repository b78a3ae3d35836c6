#include "golden_runner/batch_normalization_errors.hpp"

#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <limits>

#include "golden_runner/batch_normalization_layer.hpp"

namespace lamina::test {
namespace {

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_number(const Json& value) {
  return value.is_number() || value == "nan" || value == "inf" || value == "-inf";
}

// Arguments that do not compile in C++: a list of axes with a word in it, a bound of another name.
bool cannot_be_written(const Json& arguments) {
  const std::map<std::string, bool (*)(const Json&)> types = {
      {"axis",
       [](const Json& value) {
         const auto integral = [](const Json& one) {
           return one.is_number_integer() || one.is_boolean();
         };
         return value.is_array() ? std::all_of(value.begin(), value.end(), integral)
                                 : integral(value);
       }},
      {"momentum", is_number},
      {"epsilon", is_number},
      {"renorm_momentum", is_number},
      {"virtual_batch_size",
       [](const Json& value) { return value.is_null() || value.is_number_integer(); }},
      {"renorm_clipping",
       [](const Json& value) {
         if (value.is_null()) return true;
         if (!value.is_object()) return false;
         for (const auto& [key, bound] : value.items()) {
           if ((key != "rmin" && key != "rmax" && key != "dmax") || !is_number(bound)) return false;
         }
         return true;
       }},
      {"training",
       [](const Json& value) { return value.is_boolean() || value == 0 || value == 1; }},
  };
  for (const auto& [key, value] : arguments.items()) {
    const auto type = types.find(key);
    if (type != types.end() && !type->second(value)) return true;
  }
  return false;
}

template <Scalar T>
void run_odd_arguments(GoldenCase& test, const Json& item) {
  Json given = item.at("arguments");
  if (cannot_be_written(given)) return test.check(true, "");
  // The seed's fused path cannot mix an int with a float; in C++ the int becomes one.
  if (item.at("result") == "TypeError" && given.value("momentum", Json()).is_number_integer()) {
    return test.check(true, "");
  }
  const bool adjusted = given.erase("adjustment") > 0;
  ArgumentReader arguments(given);
  BatchNormalizationOptions options = options_from(arguments);
  const bool training = !arguments.has("training") || truth(arguments.at("training"));
  arguments.finish();
  if (adjusted) {
    options.adjustment = [](const Shape&) {
      return ScaleAndBias<T>{.scale = Tensor<T>::ones({1}), .bias = Tensor<T>::zeros({1})};
    };
  }
  const Shape shape = recorded_shape(item);
  const bool refused = item.at("result") != "ok" || refused_by_lamina(given);
  try {
    BatchNormalization<T> layer(options);
    Tape<T> tape;
    Rng rng(1);
    const auto ctx = Context<T>::for_training(tape, rng);
    layer(Variable<T>(Tensor<T>(shape, T{2})), ctx, {.training = training});
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

}  // namespace

bool refused_by_lamina(const Json& arguments) {
  const auto number = [](const Json& object, const char* key, double otherwise) {
    return object.contains(key) ? golden_number(object.at(key)) : otherwise;
  };
  const auto outside = [&](const char* key) {
    const double value = number(arguments, key, 0.5);
    return !(value >= 0 && value <= 1);
  };
  if (outside("momentum") || outside("renorm_momentum")) return true;
  const double epsilon = number(arguments, "epsilon", 0);
  if (!(epsilon >= 0 && std::isfinite(epsilon))) return true;
  if (!arguments.contains("renorm_clipping") || arguments.at("renorm_clipping").empty()) {
    return false;
  }
  const Json& clipping = arguments.at("renorm_clipping");
  if (!arguments.contains("renorm") || !truth(arguments.at("renorm"))) return true;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const auto& [key, bound] : clipping.items()) {
    if (!std::isfinite(golden_number(bound))) return true;
  }
  return number(clipping, "rmin", -kInfinity) > number(clipping, "rmax", kInfinity) ||
         number(clipping, "dmax", 0) < 0;
}

void run_batch_normalization_errors(const Json& document, GoldenReport& report) {
  for (const Json& item : document.at("cases")) {
    report.run(item.at("name"), [&](GoldenCase& test) {
      item.at("dtype") == "float32" ? run_odd_arguments<float>(test, item)
                                    : run_odd_arguments<double>(test, item);
    });
  }
}

}  // namespace lamina::test
