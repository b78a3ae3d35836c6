// Dense: the same affine map at every position.
//
//   y[..., u] = sum_f x[..., f] kernel[f, u] + bias[u]
//
//   x (..., features), at least 2 axes;  kernel (features, units);  bias (units);  y (..., units)
//
// The number of features comes from the first input, or from .in_features.
// Errors: ArgumentError for options out of range; ShapeError for an input of fewer axes or other
// features. Thread-safety: as Module. Source: Keras 3, layers.Dense.
#pragma once

#include <lamina/autograd/ops/dense.hpp>
#include <lamina/nn/module.hpp>
#include <optional>
#include <string>

namespace lamina {

struct DenseOptions {
  Required<std::int64_t> units;
  bool use_bias = true;
  Initializer kernel_initializer = {};  // glorot_uniform
  Initializer bias_initializer = {};    // zeros
  Regularizer kernel_regularizer = {};
  Regularizer bias_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint bias_constraint = {};
  std::int64_t in_features = 0;  // 0: those of the first input
  std::string name = {};

  void visit(OptionVisitor& visitor);
  static DenseOptions blank() { return {.units = 1}; }
};

template <Scalar T>
class Dense : public Module<T> {
 public:
  using Options = DenseOptions;

  explicit Dense(Options options);

  void visit(Visitor<T>& visitor) override;
  void build(const Shape& input, Builder<T>& builder) override;
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;

  // A ReLU that follows in a Sequential.
  std::size_t absorbs(const Shape& input, Followers<T> next) const override;
  Variable<T> forward_absorbing(const Variable<T>& x, const Context<T>& ctx,
                                Followers<T> absorbed) const override;

  std::string type() const override { return "dense"; }
  std::string name() const override { return options_.name; }
  void visit_options(OptionVisitor& visitor) override { options_.visit(visitor); }
  std::int64_t multiply_adds(const Shape& input, const Shape& output) const override;
  const Options& options() const noexcept { return options_; }

  const Parameter<T>& kernel() const noexcept { return kernel_; }
  const Parameter<T>& bias() const noexcept { return bias_; }
  Parameter<T>& kernel() noexcept { return kernel_; }
  Parameter<T>& bias() noexcept { return bias_; }

 private:
  Variable<T> map(const Variable<T>& x, const Context<T>& ctx, AfterDense after) const;

  Options options_;
  Parameter<T> kernel_, bias_;
};

extern template class Dense<float>;
extern template class Dense<double>;

}  // namespace lamina
