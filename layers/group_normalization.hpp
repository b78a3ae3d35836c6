// GroupNormalization: normalizes groups of neighbouring channels of every example.
//
//   y = (x - mean) / sqrt(variance + epsilon) gamma + beta
//
// mean and (biased) variance belong to one group of one example, and run over its C / groups
// channels and over all positions. .groups = 1 takes all channels together, -1 every channel by
// itself (see instance_normalization.hpp).
//
//   x (batch, ..., C), or with C on another .axis than the last;  y as x;  gamma, beta (C)
//
//   GroupNormalization<float> norm({.groups = 2});
//   norm(x, ctx);      // x (3, 4, 5, 6): 3 * 2 means over 4 * 5 * 3 values each, gamma (6)
//
// Training and inference compute the same. One value behind a mean gives y = beta, an empty batch
// an empty output. epsilon is Keras' 1e-3; PyTorch has 1e-5.
// Errors: ArgumentError for options out of range; ShapeError for an input without that axis, with
// channels that the groups do not divide, or with others than the parameters. Thread-safety: as
// Module. Results do not depend on the number of threads. Source: Wu and He, Group Normalization
// (2018); Keras 3, layers.GroupNormalization.
#pragma once

#include <lamina/layers/detail/channel_blocks.hpp>
#include <lamina/layers/detail/sample_normalization.hpp>
#include <string>

namespace lamina {

struct GroupNormalizationOptions {
  std::int64_t groups = 32;  // -1: one for each channel
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
class GroupNormalization : public SampleNormalization<T, GroupNormalizationOptions> {
 public:
  explicit GroupNormalization(GroupNormalizationOptions options = {});

  void build(const Shape& input, Builder<T>& builder) override;
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;

  std::string type() const override { return "group_normalization"; }

 private:
  // ShapeError where the input does not fit.
  ChannelBlocks blocks_in(const Shape& input) const;
};

extern template class GroupNormalization<float>;
extern template class GroupNormalization<double>;

}  // namespace lamina
