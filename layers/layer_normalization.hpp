// LayerNormalization: normalizes every example, or every position of it, over its own features.
//
//   y = (x - mean) / sqrt(variance + epsilon) gamma + beta
//
// mean and (biased) variance run over the axes of .axis, one pair for each index of the others: for
// x (batch, positions, features) and the default axis -1 one pair for each position of each
// example. Axes may be negative and in any order; the batch axis may be among them.
//
//   x of any rank from 1;  y as x;  gamma, beta: the extents of .axis in the order of x
//
//   LayerNormalization<float> norm({.axis = {-2, -1}});   // PyTorch's normalized_shape = (5, 7)
//   norm(x, ctx);                                         // x (3, 5, 7): gamma (5, 7)
//
// Training and inference compute the same. One value behind a mean gives y = beta, an empty batch
// an empty output. epsilon is Keras' 1e-3; PyTorch has 1e-5.
// Errors: ArgumentError for options out of range; ShapeError for an axis that the input does not
// have, or for other extents than those of the parameters. Thread-safety: as Module. Results do not
// depend on the number of threads. Source: Ba, Kiros and Hinton, Layer Normalization (2016); Keras
// 3, layers.LayerNormalization.
#pragma once

#include <lamina/layers/detail/sample_normalization.hpp>
#include <string>
#include <vector>

namespace lamina {

struct LayerNormalizationOptions {
  std::vector<std::int64_t> axis = {-1};
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
class LayerNormalization : public SampleNormalization<T, LayerNormalizationOptions> {
 public:
  explicit LayerNormalization(LayerNormalizationOptions options = {});

  void build(const Shape& input, Builder<T>& builder) override;
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;

  std::string type() const override { return "layer_normalization"; }

 private:
  // Ascending; ShapeError where the input does not fit.
  std::vector<int> axes_in(const Shape& input) const;
};

extern template class LayerNormalization<float>;
extern template class LayerNormalization<double>;

}  // namespace lamina
