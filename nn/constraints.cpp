#include <algorithm>
#include <array>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/constraints.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <lamina/nn/detail/description.hpp>
#include <utility>

namespace lamina {

namespace {

constexpr double kNormEpsilon = 1e-7;

// For every element in row-major order, the number of the weight vector that it belongs to.
class VectorIndex {
 public:
  VectorIndex(const char* who, const Shape& shape, const std::vector<int>& axes) : shape_(shape) {
    std::array<bool, kMaxRank> reduced{};
    for (const int axis : axes) {
      bool& seen = reduced[static_cast<std::size_t>(normalized_axis(axis, shape.rank(), who))];
      if (std::exchange(seen, true)) {
        throw ArgumentError(who, "axes must differ; got axis " + std::to_string(axis) + " twice");
      }
    }
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<std::size_t>(axis);
      steps_[a] = reduced[a] ? 0 : vectors_;
      if (!reduced[a]) vectors_ *= shape[axis];
    }
  }

  std::int64_t vectors() const noexcept { return vectors_; }

  // Calls run(first element, its vector, step of the vector number, length) for every run of
  // elements along the last axis.
  template <class Function>
  void for_runs(Function&& run) const {
    if (shape_.size() == 0) return;
    if (shape_.rank() == 0) return run(std::int64_t{0}, std::int64_t{0}, std::int64_t{0}, 1);
    const int last = shape_.rank() - 1;
    const std::int64_t length = shape_[last];
    std::array<std::int64_t, kMaxRank> position{};
    std::int64_t vector = 0;
    for (std::int64_t first = 0; first < shape_.size(); first += length) {
      run(first, vector, steps_[static_cast<std::size_t>(last)], length);
      for (int axis = last - 1; axis >= 0; --axis) {
        const auto a = static_cast<std::size_t>(axis);
        vector += steps_[a];
        if (++position[a] < shape_[axis]) break;
        vector -= position[a] * steps_[a];
        position[a] = 0;
      }
    }
  }

 private:
  Shape shape_;
  std::array<std::int64_t, kMaxRank> steps_{};
  std::int64_t vectors_ = 1;
};

// w times factor(norm of its vector).
template <Scalar T, class Factor>
Tensor<T> scaled_by_norm(const char* who, const Tensor<T>& weights, const std::vector<int>& axes,
                         Factor&& factor) {
  const VectorIndex index(who, weights.shape(), axes);
  std::vector<double> factors(static_cast<std::size_t>(index.vectors()), 0.0);
  const T* w = weights.data();
  index.for_runs([&](std::int64_t first, std::int64_t vector, std::int64_t step, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      const auto value = static_cast<double>(w[first + i]);
      factors[static_cast<std::size_t>(vector + i * step)] += value * value;
    }
  });
  for (double& value : factors) value = factor(std::sqrt(value));
  Tensor<T> result = Tensor<T>::uninitialized(weights.shape());
  T* out = result.mutable_data();
  index.for_runs([&](std::int64_t first, std::int64_t vector, std::int64_t step, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) {
      const double scale = factors[static_cast<std::size_t>(vector + i * step)];
      out[first + i] = static_cast<T>(static_cast<double>(w[first + i]) * scale);
    }
  });
  return result;
}

// Gives a class with a template `apply` the two virtual functions, and its description.
template <class Derived>
class Described : public ConstraintFunction {
 public:
  explicit Described(Description description) : description_(std::move(description)) {}
  Tensor<float> project(const Tensor<float>& weights) const override {
    return static_cast<const Derived&>(*this).apply(weights);
  }
  Tensor<double> project(const Tensor<double>& weights) const override {
    return static_cast<const Derived&>(*this).apply(weights);
  }
  Description describe() const override { return description_; }

 protected:
  const char* name() const noexcept { return description_.name.c_str(); }

 private:
  Description description_;
};

Description with_axes(Description description, const std::vector<int>& axes) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    description.numbers.emplace_back("axis_" + std::to_string(i), axes[i]);
  }
  return description;
}

class NonNeg : public Described<NonNeg> {
 public:
  NonNeg() : Described({"non_neg", {}}) {}
  template <Scalar T>
  Tensor<T> apply(const Tensor<T>& weights) const {
    Tensor<T> result = weights;
    for (T& value : result.mutable_values()) {
      if (value < 0) value = 0;
    }
    return result;
  }
};

class UnitNorm : public Described<UnitNorm> {
 public:
  explicit UnitNorm(std::vector<int> axes)
      : Described(with_axes({"unit_norm", {}}, axes)), axes_(std::move(axes)) {}
  template <Scalar T>
  Tensor<T> apply(const Tensor<T>& weights) const {
    return scaled_by_norm(name(), weights, axes_,
                          [](double norm) { return 1 / (kNormEpsilon + norm); });
  }

 private:
  std::vector<int> axes_;
};

class NormBound : public Described<NormBound> {
 public:
  NormBound(Description description, MinMaxNormOptions options)
      : Described(with_axes(std::move(description), options.axis)), options_(std::move(options)) {}
  template <Scalar T>
  Tensor<T> apply(const Tensor<T>& weights) const {
    return scaled_by_norm(name(), weights, options_.axis, [this](double norm) {
      const double desired =
          options_.rate * std::clamp(norm, options_.min_value, options_.max_value) +
          (1 - options_.rate) * norm;
      return desired / (kNormEpsilon + norm);
    });
  }

 private:
  MinMaxNormOptions options_;
};

void require_axes(const char* who, const std::vector<int>& axes) {
  if (axes.empty()) {
    throw ArgumentError(who, "axis must name at least one axis; got an empty list");
  }
}

}  // namespace

Constraint non_neg() { return Constraint(std::make_shared<NonNeg>()); }

Constraint unit_norm(std::vector<int> axis) {
  require_axes("unit_norm", axis);
  return Constraint(std::make_shared<UnitNorm>(std::move(axis)));
}

Constraint max_norm(double max_value, std::vector<int> axis) {
  require_not_negative("max_norm", "max_value", max_value);
  require_axes("max_norm", axis);
  return Constraint(std::make_shared<NormBound>(
      Description{"max_norm", {{"max_value", max_value}}},
      MinMaxNormOptions{.min_value = 0, .max_value = max_value, .axis = std::move(axis)}));
}

Constraint min_max_norm(const MinMaxNormOptions& options) {
  require_not_negative("min_max_norm", "min_value", options.min_value);
  require_not_negative("min_max_norm", "max_value", options.max_value);
  if (options.min_value > options.max_value) {
    throw ArgumentError("min_max_norm", "min_value must not exceed max_value; got min_value " +
                                            number_text(options.min_value) + " and max_value " +
                                            number_text(options.max_value));
  }
  if (!(options.rate >= 0 && options.rate <= 1)) {
    throw ArgumentError("min_max_norm",
                        "rate must lie in [0, 1]; got " + number_text(options.rate));
  }
  require_axes("min_max_norm", options.axis);
  Description description{
      "min_max_norm",
      {{"min_value", options.min_value}, {"max_value", options.max_value}, {"rate", options.rate}}};
  return Constraint(std::make_shared<NormBound>(std::move(description), options));
}

Constraint Constraint::from(const Description& description) {
  DescriptionReader reader("constraint", description);
  const std::string& name = description.name;
  Constraint result;
  if (name.empty()) return result;
  if (name == "non_neg") result = non_neg();
  if (name == "unit_norm") result = unit_norm(reader.integers("axis"));
  if (name == "max_norm") {
    result = max_norm(reader.number("max_value"), reader.integers("axis"));
  }
  if (name == "min_max_norm") {
    result = min_max_norm({.min_value = reader.number("min_value"),
                           .max_value = reader.number("max_value"),
                           .rate = reader.number("rate"),
                           .axis = reader.integers("axis")});
  }
  reader.finish(static_cast<bool>(result));
  return result;
}

}  // namespace lamina
