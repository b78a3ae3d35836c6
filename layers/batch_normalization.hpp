// BatchNormalization: normalizes every channel by its mean and variance, then scales and shifts it.
//
//   training    x_hat = (x - mean) / sqrt(variance + epsilon)             the batch's mean and
//   variance
//               y     = ((x_hat r + d) a + b) gamma + beta
//               moving_mean     += (1 - momentum) (mean - moving_mean)
//               moving_variance += (1 - momentum) (variance - moving_variance)
//   inference   y = gamma (x - moving_mean) / sqrt(moving_variance + epsilon) + beta
//
// (r, d) is batch renormalization's correction, 1 and 0 without it (batch_renormalization.hpp); (a,
// b) is the adjustment, 1 and 0 without it (adjustment.hpp). The statistics of a channel run over
// all axes that are not in `axis`. x has any rank from 1, y the same shape. gamma, beta and all
// statistics have the shape (C) for one axis; for several the input's rank with 1 on the reduced
// axes.
//
// virtual_batch_size v cuts a training batch of N into N / v ghost batches with statistics of their
// own: example k belongs to ghost batch k mod (N / v). The moving averages take one step toward the
// mean of the ghost batches' statistics; inference takes any batch size.
//
// The variance that normalizes is the biased one (divided by n). Which one enters moving_variance
// is the option variance_estimator: `tensorflow` follows the seed (unbiased exactly where
// TensorFlow would have taken its fused kernel: float32, rank 4 or 5, one axis that is 1 or the
// last, fused not false, no renorm, ghost batches or adjustment). trainable = false, as in the
// seed: gamma and beta get no gradient, the statistics are not updated, and training still
// normalizes by the batch. An empty batch gives an empty output and changes nothing; one value per
// channel gives y = beta (with d, a and b where they are used).
//
// Errors: ArgumentError for options out of range or at odds; ShapeError when the input does not fit
// axis, ghost batches or parameters. The layer's state is then as before. Thread-safety: as Module.
// Results do not depend on the number of threads. Source: Ioffe and Szegedy, Batch Normalization
// (2015); Ioffe, Batch Renormalization (2017); Hoffer et al., Train longer, generalize better
// (2017); tf.compat.v1.layers.batch_normalization.
#pragma once

#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/layers/adjustment.hpp>
#include <lamina/layers/affine.hpp>
#include <lamina/layers/batch_renormalization.hpp>
#include <lamina/layers/moving_statistics.hpp>
#include <lamina/layers/normalization_axes.hpp>
#include <lamina/nn/module.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

struct BatchNormalizationOptions {
  std::vector<std::int64_t> axis = {-1};
  double momentum = 0.99;  // weight of the old value; PyTorch's momentum is 1 minus this
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = {};             // zeros
  Initializer gamma_initializer = {};            // ones
  Initializer moving_mean_initializer = {};      // zeros
  Initializer moving_variance_initializer = {};  // ones
  Regularizer beta_regularizer = {};
  Regularizer gamma_regularizer = {};
  Constraint beta_constraint = {};
  Constraint gamma_constraint = {};
  bool trainable = true;
  std::string name = {};
  bool renorm = false;
  RenormClipping renorm_clipping = {};
  double renorm_momentum = 0.99;
  std::optional<bool> fused = {};  // selects the estimator of the seed; never fails
  std::optional<std::int64_t> virtual_batch_size = {};
  Adjustment adjustment = {};
  VarianceEstimator variance_estimator = VarianceEstimator::tensorflow;

  void visit(OptionVisitor& visitor);
};

template <Scalar T>
class BatchNormalization : public Module<T> {
 public:
  using Options = BatchNormalizationOptions;

  explicit BatchNormalization(Options options = {});

  void visit(Visitor<T>& visitor) override;
  void build(const Shape& input, Builder<T>& builder) override;
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;

  std::string type() const override { return "batch_normalization"; }
  std::string name() const override { return options_.name; }
  void visit_options(OptionVisitor& visitor) override { options_.visit(visitor); }
  const Options& options() const noexcept { return options_; }

  const Parameter<T>& gamma() const noexcept { return gamma_; }
  const Parameter<T>& beta() const noexcept { return beta_; }
  const Buffer<T>& moving_mean() const noexcept { return moving_mean_; }
  const Buffer<T>& moving_variance() const noexcept { return moving_variance_; }
  Parameter<T>& gamma() noexcept { return gamma_; }
  Parameter<T>& beta() noexcept { return beta_; }
  Buffer<T>& moving_mean() noexcept { return moving_mean_; }
  Buffer<T>& moving_variance() noexcept { return moving_variance_; }

 private:
  // The batch as the kernels see it, and what it was found to be.
  struct Batch {
    NormLayout layout;
    Moments moments;           // by (ghost batch, channel)
    Tensor<T> mean, variance;  // means over the ghost batches, in the parameters' shape
  };

  void require_input(const Shape& input, const NormalizationAxes& axes) const;
  NormLayout ghost_layout(const NormLayout& layout, const Shape& input) const;
  Batch measured(const Variable<T>& arranged, const NormalizationAxes& axes) const;
  Affine<T> gamma_beta(const Context<T>& ctx) const;
  ScaleAndBias<T> adjustment_for(const Shape& input) const;
  Variable<T> train(const Variable<T>& x, const NormalizationAxes& axes,
                    const Context<T>& ctx) const;
  Variable<T> infer(const Variable<T>& x, const NormalizationAxes& axes,
                    const Context<T>& ctx) const;
  void update_statistics(const Batch& batch, const NormalizationAxes& axes, int rank,
                         const Context<T>& ctx) const;

  Options options_;
  Parameter<T> gamma_, beta_;
  Buffer<T> moving_mean_, moving_variance_;
  std::optional<BatchRenormalization<T>> renorm_;
};

extern template class BatchNormalization<float>;
extern template class BatchNormalization<double>;

}  // namespace lamina
