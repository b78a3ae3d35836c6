// InstanceNormalization: normalizes every channel of every example over its positions.
//
//   y = (x - mean) / sqrt(variance + epsilon) gamma + beta
//
// mean and (biased) variance belong to one channel of one example. It is GroupNormalization with a
// group for each channel, and wants positions to take a mean over.
//
//   x (batch, ..., C) with at least one axis of positions, or with C on another .axis than the
//   last;  y as x;  gamma, beta (C)
//
//   InstanceNormalization<float> norm({.axis = 1});
//   norm(x, ctx);      // x (3, 6, 4, 5): 3 * 6 means over 4 * 5 values each, gamma (6)
//
// Training and inference compute the same. A single position gives y = beta, an empty batch an
// empty output. epsilon is 1e-3 as in Keras' normalizations; PyTorch has 1e-5 and neither gamma nor
// beta by default (.center = false, .scale = false).
// Errors: ArgumentError for options out of range; ShapeError for an input of fewer axes, without
// that axis, or with other channels than the parameters. Thread-safety: as Module. Results do not
// depend on the number of threads. Source: Ulyanov, Vedaldi and Lempitsky, Instance Normalization
// (2016).
#pragma once

#include <lamina/layers/detail/channel_blocks.hpp>
#include <lamina/layers/detail/sample_normalization.hpp>
#include <string>

namespace lamina {

struct InstanceNormalizationOptions {
  std::int64_t axis = -1;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = {};   // zeros
  Initializer gamma_initializer = {};  // ones
  Regularizer beta_regularizer = {};
  Regularizer gamma_regularizer = {};
  Constraint beta_constraint = {};
  Constraint gamma_constraint = {};
  std::string name = {};

  void visit(OptionVisitor& visitor);
};

template <Scalar T>
class InstanceNormalization : public SampleNormalization<T, InstanceNormalizationOptions> {
 public:
  explicit InstanceNormalization(InstanceNormalizationOptions options = {});

  void build(const Shape& input, Builder<T>& builder) override;
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;

  std::string type() const override { return "instance_normalization"; }

 private:
  // ShapeError where the input does not fit.
  ChannelBlocks channels_in(const Shape& input) const;
};

extern template class InstanceNormalization<float>;
extern template class InstanceNormalization<double>;

}  // namespace lamina
