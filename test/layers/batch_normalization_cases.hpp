// The combinations of batch normalization's options that its battery covers, and a layer in the
// midst of its training for each.
#pragma once

#include <lamina/autograd/tensor/random.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <string>
#include <vector>

#include "layers/naive_batch_normalization.hpp"
#include "support/modules.hpp"

namespace lamina::test {

// Normal values, the same for the same path; floats, so that both types can hold them.
template <Scalar T>
Tensor<T> drawn(const Shape& shape, const std::string& path, double mean = 0,
                double deviation = 1) {
  Tensor<float> values = Tensor<float>::uninitialized(shape);
  Rng(11).stream(path, 0).fill_normal(values.mutable_values(), mean, deviation);
  return values.cast<T>();
}

enum class Correction {
  none,
  clipped_renorm,
  free_renorm,
  ghost,
  ghost_with_clipped_renorm,
  ghost_with_free_renorm
};
enum class Adjusted { no, per_channel, per_example };
enum class Mode { training, inference, frozen };

inline constexpr auto kCorrections = {Correction::none,
                                      Correction::clipped_renorm,
                                      Correction::free_renorm,
                                      Correction::ghost,
                                      Correction::ghost_with_clipped_renorm,
                                      Correction::ghost_with_free_renorm};
inline constexpr auto kAdjusted = {Adjusted::no, Adjusted::per_channel, Adjusted::per_example};
inline constexpr auto kModes = {Mode::training, Mode::inference, Mode::frozen};
inline const std::vector<std::optional<bool>> kFused = {std::nullopt, true, false};

// Of a rank of 4: last, first, middle, two adjacent, two apart, negative, two in descending order.
inline const std::vector<std::vector<std::int64_t>> kAxes = {{-1},   {0},    {1},  {2},     {1, 2},
                                                             {1, 3}, {0, 2}, {-2}, {-1, -3}};
inline constexpr std::int64_t kVirtualBatchSize = 2;

struct Combination {
  std::vector<std::int64_t> axis = {-1};
  Correction correction = Correction::none;
  Adjusted adjusted = Adjusted::no;
  bool center = true, scale = true;
  std::optional<bool> fused = {};

  bool ghost() const { return correction >= Correction::ghost; }
  bool free_renorm() const {
    return correction == Correction::free_renorm ||
           correction == Correction::ghost_with_free_renorm;
  }
  bool clipped_renorm() const {
    return correction == Correction::clipped_renorm ||
           correction == Correction::ghost_with_clipped_renorm;
  }
  bool keeps_batch_axis() const { return std::find(axis.begin(), axis.end(), 0) != axis.end(); }
  // As in the seed.
  bool forbidden() const { return ghost() && (adjusted != Adjusted::no || keeps_batch_axis()); }

  BatchNormalizationOptions options(Adjustment adjustment = {}) const {
    BatchNormalizationOptions options{.axis = axis,
                                      .momentum = 0.75,
                                      .center = center,
                                      .scale = scale,
                                      .renorm_momentum = 0.5,
                                      .fused = fused,
                                      .adjustment = std::move(adjustment)};
    options.renorm = free_renorm() || clipped_renorm();
    // Some channels lie inside these bounds, some outside.
    if (clipped_renorm()) options.renorm_clipping = {.rmax = 1.5, .rmin = 1.1, .dmax = 0.25};
    if (ghost()) options.virtual_batch_size = kVirtualBatchSize;
    return options;
  }
  // Of the adjustment's scale and bias.
  Shape adjustment_shape(const Shape& input) const {
    if (adjusted == Adjusted::per_example) return input;
    const auto rank = static_cast<std::size_t>(input.rank());
    std::vector<std::int64_t> extents(rank, 1);
    for (const auto a : axis) {
      extents[static_cast<std::size_t>(a < 0 ? a + input.rank() : a)] = input[static_cast<int>(a)];
    }
    return Shape(std::span<const std::int64_t>(extents));
  }
  std::string name() const {
    std::string text = "axis";
    for (const auto a : axis) text += " " + std::to_string(a);
    return text + ", correction " + std::to_string(static_cast<int>(correction)) + ", adjusted " +
           std::to_string(static_cast<int>(adjusted)) + (center ? ", center" : "") +
           (scale ? ", scale" : "") + (fused ? *fused ? ", fused" : ", not fused" : "");
  }
};

// Every value of a built module drawn; deviations and variances are positive.
template <Scalar T>
void draw_state(Module<T>& module) {
  struct Drawer : Visitor<T> {
    void parameter(const std::string& path, Parameter<T>& p) override {
      p.assign(drawn<T>(p.shape(), path, path == "gamma", 0.3));
    }
    void buffer(const std::string& path, Buffer<T>& b) override {
      Tensor<T> values = drawn<T>(b.shape(), path, 0, 0.4);
      if (path.ends_with("variance") || path.ends_with("stddev")) {
        for (T& v : values.mutable_values()) v = T(0.5) + v * v;
      }
      b.assign(values);
    }
  } drawer;
  drawer.walk(module);
}

template <Scalar T>
BatchNormalization<T> drawn_layer(const BatchNormalizationOptions& options, const Shape& input) {
  BatchNormalization<T> layer(options);
  Rng rng(5);
  // Inference, which any shape and any number of examples may build.
  layer(Tensor<T>(input, T{1}), {.updates = StateUpdates::discard, .rng = &rng});
  draw_state<T>(layer);
  return layer;
}

// A layer of each kind, for what must hold of all; the input has a rank of 4.
struct Kind {
  std::string name;
  BatchNormalizationOptions options = {};
  bool masked = false;
  std::string bank = {};
};

template <Scalar T>
std::vector<Kind> kinds() {
  const auto adjust = [](bool per_example) {
    return Adjustment([per_example](const Shape& input) {
      const Shape shape = per_example ? input : Shape{input[-1]};
      return ScaleAndBias<T>{.scale = drawn<T>(shape, "a", 1, 0.2),
                             .bias = drawn<T>(shape, "b", 0, 0.2)};
    });
  };
  const RenormClipping clips{.rmax = 1.1, .rmin = 0.9, .dmax = 0.1};
  const RenormClipping ramps{
      .rmax = [](std::int64_t step) { return 1 + 0.1 * static_cast<double>(step); },
      .rmin = 0.5,
      .dmax = [](std::int64_t step) { return 0.05 * static_cast<double>(step); }};
  return {
      {"plain"},
      {"not fused", {.fused = false}},
      {"first axis", {.axis = {0}}},
      {"channels first", {.axis = {1}}},
      {"two adjacent axes", {.axis = {1, 2}}},
      {"two axes apart", {.axis = {1, 3}}},
      {"renorm", {.renorm = true}},
      {"clipped renorm over two axes", {.axis = {1, 3}, .renorm = true, .renorm_clipping = clips}},
      {"renorm with ramps", {.renorm = true, .renorm_clipping = ramps}},
      {"ghost", {.virtual_batch_size = 2}},
      {"ghost, channels first", {.axis = {1}, .virtual_batch_size = 2}},
      {"ghost with renorm", {.renorm = true, .virtual_batch_size = 2}},
      {"adjusted per channel", {.adjustment = adjust(false)}},
      {"adjusted per example", {.adjustment = adjust(true)}},
      {"renorm, adjusted per example", {.renorm = true, .adjustment = adjust(true)}},
      {"mask", {}, true},
      {"mask, channels first", {.axis = {1}}, true},
      {"mask and ghost with renorm", {.renorm = true, .virtual_batch_size = 2}, true},
      {"cumulative", {.momentum = cumulative}},
      {"cumulative renorm", {.momentum = cumulative, .renorm = true}},
      {"a bank", {.renorm = true, .banks = {"real", "generated"}}, false, "generated"},
      {"unbiased", {.variance_estimator = VarianceEstimator::unbiased}},
  };
}

// Weights of examples: some 0, no two ghost batches alike.
template <Scalar T>
Tensor<T> example_weights(std::int64_t examples) {
  Tensor<T> weights = Tensor<T>::uninitialized({examples});
  for (std::int64_t i = 0; i < examples; ++i) {
    weights.mutable_data()[i] =
        i % 3 == 2 ? T{0} : static_cast<T>(1 + 0.5 * static_cast<double>(i));
  }
  return weights;
}

template <Scalar T>
BatchNormalizationCall<T> call_of(const Kind& kind, const Shape& input) {
  return {.mask = kind.masked ? example_weights<T>(input[0]) : Tensor<T>(), .bank = kind.bank};
}

template <Scalar T>
State state_in_double(const Module<T>& module) {
  State state;
  for (const auto& [name, value] : values_of(module)) state[name] = value.template cast<double>();
  return state;
}

}  // namespace lamina::test
