// Adjustment: a function of the input's shape that gives a scale and a bias for the normalized
// value, in training only:
//
//   y = ((x_hat r + d) scale + bias) gamma + beta
//
//   .adjustment = [&](const Shape& shape) {
//     return ScaleAndBias<float>{.scale = random_scale(shape[-1]), .bias = random_bias(shape[-1])};
//   }
//
// Both must broadcast to the input; derivatives flow into them. One value per channel costs nothing
// extra; anything else (a value per example, say) takes a composed path. Source: the argument of
// tf.compat.v1.layers.batch_normalization.
#pragma once

#include <functional>
#include <lamina/autograd/variable.hpp>
#include <type_traits>
#include <utility>

namespace lamina {

template <Scalar T>
struct ScaleAndBias {
  Variable<T> scale;
  Variable<T> bias;
};

class Adjustment {
 public:
  Adjustment() = default;  // none
  template <class Function>
    requires std::is_invocable_r_v<ScaleAndBias<float>, Function, const Shape&> ||
             std::is_invocable_r_v<ScaleAndBias<double>, Function, const Shape&>
  Adjustment(Function function) {  // NOLINT: implicit by intent
    if constexpr (std::is_invocable_r_v<ScaleAndBias<float>, Function, const Shape&>) {
      for_float_ = std::move(function);
    } else {
      for_double_ = std::move(function);
    }
  }
  // One function for each type.
  Adjustment(std::function<ScaleAndBias<float>(const Shape&)> for_float,
             std::function<ScaleAndBias<double>(const Shape&)> for_double)
      : for_float_(std::move(for_float)), for_double_(std::move(for_double)) {}

  explicit operator bool() const noexcept { return for_float_ || for_double_; }

  // Empty where the adjustment was given for the other type.
  template <Scalar T>
  const std::function<ScaleAndBias<T>(const Shape&)>& function() const noexcept {
    if constexpr (std::same_as<T, float>) {
      return for_float_;
    } else {
      return for_double_;
    }
  }

 private:
  std::function<ScaleAndBias<float>(const Shape&)> for_float_;
  std::function<ScaleAndBias<double>(const Shape&)> for_double_;
};

}  // namespace lamina
