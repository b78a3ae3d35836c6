#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <lamina/nn/detail/description.hpp>
#include <lamina/nn/initializers.hpp>

namespace lamina {

Fans fans_of(const Shape& shape) {
  if (shape.rank() == 0) return {1, 1};
  if (shape.rank() == 1) {
    const auto length = static_cast<double>(shape[0]);
    return {length, length};
  }
  double receptive_field = 1;
  for (int axis = 0; axis < shape.rank() - 2; ++axis) {
    receptive_field *= static_cast<double>(shape[axis]);
  }
  return {receptive_field * static_cast<double>(shape[-2]),
          receptive_field * static_cast<double>(shape[-1])};
}

namespace {

// The deviation of a standard normal that is cut at two deviations.
constexpr double kTruncatedDeviation = 0.87962566103423978;

// Gives a class with a template `draw` the two virtual functions, and its description.
template <class Derived>
class Described : public InitializerFunction {
 public:
  explicit Described(Description description) : description_(std::move(description)) {}
  Tensor<float> make(const Shape& shape, const RandomStream& random, float) const override {
    return static_cast<const Derived&>(*this).template draw<float>(shape, random);
  }
  Tensor<double> make(const Shape& shape, const RandomStream& random, double) const override {
    return static_cast<const Derived&>(*this).template draw<double>(shape, random);
  }
  Description describe() const override { return description_; }

 private:
  Description description_;
};

class Fill : public Described<Fill> {
 public:
  Fill(Description description, double value) : Described(std::move(description)), value_(value) {}
  template <Scalar T>
  Tensor<T> draw(const Shape& shape, const RandomStream&) const {
    return Tensor<T>(shape, static_cast<T>(value_));
  }

 private:
  double value_;
};

class Identity : public Described<Identity> {
 public:
  explicit Identity(double gain) : Described({"identity", {{"gain", gain}}}), gain_(gain) {}
  template <Scalar T>
  Tensor<T> draw(const Shape& shape, const RandomStream&) const {
    if (shape.rank() != 2) {
      throw ShapeError("identity", "the shape must have 2 axes; got " + shape.to_string());
    }
    Tensor<T> matrix = Tensor<T>::zeros(shape);
    T* values = matrix.mutable_data();
    for (std::int64_t i = 0; i < std::min(shape[0], shape[1]); ++i) {
      values[i * shape[1] + i] = static_cast<T>(gain_);
    }
    return matrix;
  }

 private:
  double gain_;
};

class Uniform : public Described<Uniform> {
 public:
  Uniform(double low, double high)
      : Described({"uniform", {{"low", low}, {"high", high}}}), low_(low), high_(high) {}
  template <Scalar T>
  Tensor<T> draw(const Shape& shape, const RandomStream& random) const {
    Tensor<T> values = Tensor<T>::uninitialized(shape);
    random.fill_uniform(values.mutable_values(), low_, high_);
    return values;
  }

 private:
  double low_, high_;
};

class Normal : public Described<Normal> {
 public:
  Normal(const char* name, double mean, double deviation, bool truncated)
      : Described({name, {{"mean", mean}, {"deviation", deviation}}}),
        mean_(mean),
        deviation_(deviation),
        truncated_(truncated) {}
  template <Scalar T>
  Tensor<T> draw(const Shape& shape, const RandomStream& random) const {
    Tensor<T> values = Tensor<T>::uninitialized(shape);
    if (truncated_) {
      random.fill_truncated_normal(values.mutable_values(), mean_, deviation_);
    } else {
      random.fill_normal(values.mutable_values(), mean_, deviation_);
    }
    return values;
  }

 private:
  double mean_, deviation_;
  bool truncated_;
};

class VarianceScaling : public Described<VarianceScaling> {
 public:
  VarianceScaling(Description description, const VarianceScalingOptions& options)
      : Described(std::move(description)), options_(options) {}
  template <Scalar T>
  Tensor<T> draw(const Shape& shape, const RandomStream& random) const {
    const double variance = options_.scale / std::max(1.0, fan(shape));
    Tensor<T> values = Tensor<T>::uninitialized(shape);
    switch (options_.distribution) {
      case Distribution::truncated_normal:
        random.fill_truncated_normal(values.mutable_values(), 0,
                                     std::sqrt(variance) / kTruncatedDeviation);
        break;
      case Distribution::untruncated_normal:
        random.fill_normal(values.mutable_values(), 0, std::sqrt(variance));
        break;
      case Distribution::uniform: {
        const double limit = std::sqrt(3 * variance);
        random.fill_uniform(values.mutable_values(), -limit, limit);
        break;
      }
    }
    return values;
  }

 private:
  double fan(const Shape& shape) const {
    const Fans fans = fans_of(shape);
    switch (options_.mode) {
      case FanMode::fan_in:
        return fans.in;
      case FanMode::fan_out:
        return fans.out;
      case FanMode::fan_avg:
        break;
    }
    return (fans.in + fans.out) / 2;
  }

  VarianceScalingOptions options_;
};

Initializer scaled(const char* name, double scale, FanMode mode, Distribution distribution) {
  return Initializer(std::make_shared<VarianceScaling>(
      Description{name, {}},
      VarianceScalingOptions{.scale = scale, .mode = mode, .distribution = distribution}));
}

void require_normal(const char* name, double mean, double deviation) {
  require_finite(name, "mean", mean);
  require_not_negative(name, "deviation", deviation);
}

}  // namespace

Initializer zeros() { return Initializer(std::make_shared<Fill>(Description{"zeros", {}}, 0)); }

Initializer ones() { return Initializer(std::make_shared<Fill>(Description{"ones", {}}, 1)); }

Initializer constant(double value) {
  require_finite("constant", "value", value);
  return Initializer(std::make_shared<Fill>(Description{"constant", {{"value", value}}}, value));
}

Initializer identity(double gain) {
  require_finite("identity", "gain", gain);
  return Initializer(std::make_shared<Identity>(gain));
}

Initializer uniform(double low, double high) {
  require_finite("uniform", "low", low);
  require_finite("uniform", "high", high);
  if (low > high) {
    throw ArgumentError("uniform", "low must not exceed high; got low " + number_text(low) +
                                       " and high " + number_text(high));
  }
  return Initializer(std::make_shared<Uniform>(low, high));
}

Initializer normal(double mean, double deviation) {
  require_normal("normal", mean, deviation);
  return Initializer(std::make_shared<Normal>("normal", mean, deviation, false));
}

Initializer truncated_normal(double mean, double deviation) {
  require_normal("truncated_normal", mean, deviation);
  return Initializer(std::make_shared<Normal>("truncated_normal", mean, deviation, true));
}

Initializer variance_scaling(const VarianceScalingOptions& options) {
  require_not_negative("variance_scaling", "scale", options.scale);
  Description description{"variance_scaling",
                          {{"scale", options.scale},
                           {"mode", static_cast<double>(options.mode)},
                           {"distribution", static_cast<double>(options.distribution)}}};
  return Initializer(std::make_shared<VarianceScaling>(std::move(description), options));
}

Initializer glorot_uniform() {
  return scaled("glorot_uniform", 1, FanMode::fan_avg, Distribution::uniform);
}
Initializer glorot_normal() {
  return scaled("glorot_normal", 1, FanMode::fan_avg, Distribution::truncated_normal);
}
Initializer he_uniform() { return scaled("he_uniform", 2, FanMode::fan_in, Distribution::uniform); }
Initializer he_normal() {
  return scaled("he_normal", 2, FanMode::fan_in, Distribution::truncated_normal);
}
Initializer lecun_uniform() {
  return scaled("lecun_uniform", 1, FanMode::fan_in, Distribution::uniform);
}
Initializer lecun_normal() {
  return scaled("lecun_normal", 1, FanMode::fan_in, Distribution::truncated_normal);
}

Initializer Initializer::from(const Description& description) {
  DescriptionReader reader("initializer", description);
  const std::string& name = description.name;
  Initializer result;
  if (name.empty()) return result;
  if (name == "zeros") result = zeros();
  if (name == "ones") result = ones();
  if (name == "constant") result = constant(reader.number("value"));
  if (name == "identity") result = identity(reader.number("gain"));
  if (name == "uniform") result = uniform(reader.number("low"), reader.number("high"));
  if (name == "normal") result = normal(reader.number("mean"), reader.number("deviation"));
  if (name == "truncated_normal") {
    result = truncated_normal(reader.number("mean"), reader.number("deviation"));
  }
  if (name == "variance_scaling") {
    result = variance_scaling(
        {.scale = reader.number("scale"),
         .mode = static_cast<FanMode>(reader.choice("mode", 3)),
         .distribution = static_cast<Distribution>(reader.choice("distribution", 3))});
  }
  if (name == "glorot_uniform") result = glorot_uniform();
  if (name == "glorot_normal") result = glorot_normal();
  if (name == "he_uniform") result = he_uniform();
  if (name == "he_normal") result = he_normal();
  if (name == "lecun_uniform") result = lecun_uniform();
  if (name == "lecun_normal") result = lecun_normal();
  if (name == "orthogonal") result = orthogonal(reader.number("gain"));
  reader.finish(static_cast<bool>(result));
  return result;
}

}  // namespace lamina
