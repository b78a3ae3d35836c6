// SampleNormalization: what the layers share that normalize every example by its own statistics:
// options, gamma and beta, and the calls of the ops.
//
//   y = (x - mean) / sqrt(variance + epsilon) gamma + beta
//
// There is no other state: training and inference compute the same.
#pragma once

#include <lamina/autograd/kernels/norm_layout.hpp>
#include <lamina/layers/affine.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <lamina/nn/initializers.hpp>
#include <lamina/nn/module.hpp>
#include <optional>
#include <string>
#include <utility>

namespace lamina {

// The fields that all of the options have, in one order.
template <class Options>
void visit_sample_normalization(OptionVisitor& visitor, Options& options) {
  visitor("epsilon", options.epsilon);
  visitor("center", options.center);
  visitor("scale", options.scale);
  visitor("beta_initializer", options.beta_initializer);
  visitor("gamma_initializer", options.gamma_initializer);
  visitor("beta_regularizer", options.beta_regularizer);
  visitor("gamma_regularizer", options.gamma_regularizer);
  visitor("beta_constraint", options.beta_constraint);
  visitor("gamma_constraint", options.gamma_constraint);
}

// (x - mean) / sqrt(variance + epsilon) by the statistics of the layout; then the map, where a
// channel has one value of each of its coefficients.
template <Scalar T>
Variable<T> normalize_samples(const Variable<T>& x, const NormLayout& layout, double epsilon,
                              const Affine<T>& map = {});

// The map by itself, where its coefficients belong to the channels of another layout.
template <Scalar T>
Variable<T> scale_and_shift(const Variable<T>& x, const NormLayout& layout, const Affine<T>& map);

template <Scalar T, class LayerOptions>
class SampleNormalization : public Module<T> {
 public:
  using Options = LayerOptions;

  void visit(Visitor<T>& visitor) override {
    if (options_.scale) visitor("gamma", gamma_);
    if (options_.center) visitor("beta", beta_);
  }
  std::string name() const override { return options_.name; }
  void visit_options(OptionVisitor& visitor) override { options_.visit(visitor); }
  const Options& options() const noexcept { return options_; }

  const Parameter<T>& gamma() const noexcept { return gamma_; }
  const Parameter<T>& beta() const noexcept { return beta_; }
  Parameter<T>& gamma() noexcept { return gamma_; }
  Parameter<T>& beta() noexcept { return beta_; }

 protected:
  SampleNormalization(const char* who, Options options)
      : options_(std::move(options)),
        gamma_(
            {.regularizer = options_.gamma_regularizer, .constraint = options_.gamma_constraint}),
        beta_({.regularizer = options_.beta_regularizer, .constraint = options_.beta_constraint}) {
    require_not_negative(who, "epsilon", options_.epsilon);
    if (!options_.gamma_initializer) options_.gamma_initializer = ones();
    if (!options_.beta_initializer) options_.beta_initializer = zeros();
  }

  void build_parameters(const Shape& shape, Builder<T>& builder) {
    if (options_.scale) builder("gamma", gamma_, shape, options_.gamma_initializer);
    if (options_.center) builder("beta", beta_, shape, options_.beta_initializer);
  }

  // That of the parameters; nothing before there are any.
  std::optional<Shape> built_shape() const {
    if (options_.scale && gamma_.defined()) return gamma_.shape();
    if (options_.center && beta_.defined()) return beta_.shape();
    return {};
  }

  Affine<T> gamma_beta(const Context<T>& ctx) const {
    return {.scale = options_.scale ? gamma_(ctx) : Variable<T>(),
            .offset = options_.center ? beta_(ctx) : Variable<T>()};
  }

  Options options_;

 private:
  Parameter<T> gamma_, beta_;
};

}  // namespace lamina
