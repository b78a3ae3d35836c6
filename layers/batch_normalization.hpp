// BatchNormalization: normalizes every channel by its mean and variance, then scales and shifts it.
//
//   training    x_hat = (x - mean) / sqrt(variance + epsilon)      mean, variance: of the batch
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
// Which statistics normalize, whether the moving ones follow, and whether gamma and beta learn are
// three switches: use_batch_statistics (unset: in training), update_statistics (in training; unset:
// as trainable), and trainable, which as in TensorFlow leaves training normalizing by the batch.
// freeze() sets all three for fine-tuning: the layer then does in training what it does in
// inference. Renorm, ghost batches and adjustment belong to training by the batch's statistics.
//
// A mask, given with a call, weighs what the statistics are taken over: 0 leaves a position out,
// whatever it holds (the output has it, normalized by the others), and n is the sum of the weights.
// A (ghost) batch without weight is normalized by the moving statistics. An empty batch, or one
// without weight, changes nothing; one value per channel gives y = beta (with d, a and b where they
// are used), and so, with epsilon = 0, does a channel that does not vary.
//
// The options say which variance enters moving_variance (variance_estimator.hpp), what a batch with
// NaN does to the moving statistics (NonFinite), and which further banks of moving statistics there
// are, for one layer that sees several distributions. Context::warn hears when inference meets
// statistics that no training has updated. With Context::reduction the input is one share of a
// batch and the statistics are those of the whole; it must outlive the backward pass as well.
//
// Errors: ArgumentError for options out of range or at odds, an unknown bank, a negative weight;
// ShapeError when the input does not fit axis, ghost batches or parameters, or the mask the input.
// The layer's state is then as before. Thread-safety: as Module.
// Results do not depend on the number of threads. Source: Ioffe and Szegedy, Batch Normalization
// (2015); Ioffe, Batch Renormalization (2017); Hoffer et al., Train longer, generalize better
// (2017); tf.compat.v1.layers.batch_normalization.
#pragma once

#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/layers/affine.hpp>
#include <lamina/layers/batch_normalization_options.hpp>
#include <lamina/layers/moving_statistics.hpp>
#include <lamina/layers/normalization_axes.hpp>
#include <lamina/nn/module.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

// What one call may say besides the context:
//
//   y = bn(x, ctx, {.training = false});            // unset: as the context
//   y = bn(x, ctx, {.mask = valid});                // weights at least 0, over x's leading axes; an
//                                                   // axis where they do not vary may have extent 1
//   y = bn(x, ctx, {.bank = "generated"});          // empty: the layer's own statistics
template <Scalar T>
struct BatchNormalizationCall {
  std::optional<bool> training = {};
  Tensor<T> mask = {};
  std::string_view bank = {};
};

template <Scalar T>
class BatchNormalization : public Module<T> {
 public:
  using Options = BatchNormalizationOptions;

  using Call = BatchNormalizationCall<T>;

  explicit BatchNormalization(Options options = {});

  using Module<T>::operator();
  Variable<T> operator()(const Variable<T>& x, const Context<T>& ctx, const Call& call);
  Variable<T> operator()(const Variable<T>& x, const Context<T>& ctx, const Call& call) const;

  void visit(Visitor<T>& visitor) override;
  void build(const Shape& input, Builder<T>& builder) override;
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  // A ReLU, and behind it max pooling by 2 x 2 of images that lie as they are normalized, by their
  // last axis or the second one; nothing where this layer or one of those is of a derived class,
  // whose forward may be another.
  std::size_t absorbs(const Shape& input, Followers<T> next) const override;
  Variable<T> forward_absorbing(const Variable<T>& x, const Context<T>& ctx,
                                Followers<T> absorbed) const override;

  std::string type() const override { return "batch_normalization"; }
  std::string name() const override { return options_.name; }
  void visit_options(OptionVisitor& visitor) override { options_.visit(visitor); }
  const Options& options() const noexcept { return options_; }

  // gamma and beta do not learn, the moving statistics stay, and they normalize in training too.
  void freeze();
  void set_trainable(bool trainable);
  void set_update_statistics(std::optional<bool> update) { options_.update_statistics = update; }
  void set_use_batch_statistics(std::optional<bool> use) { options_.use_batch_statistics = use; }

  const Parameter<T>& gamma() const noexcept { return gamma_; }
  const Parameter<T>& beta() const noexcept { return beta_; }
  Parameter<T>& gamma() noexcept { return gamma_; }
  Parameter<T>& beta() noexcept { return beta_; }
  const Buffer<T>& moving_mean() const noexcept { return own().mean(); }
  const Buffer<T>& moving_variance() const noexcept { return own().variance(); }
  Buffer<T>& moving_mean() noexcept { return statistics_.front().mean(); }
  Buffer<T>& moving_variance() noexcept { return statistics_.front().variance(); }
  // Of a bank; the empty name is the layer's own. ArgumentError for an unknown one.
  const MovingStatistics<T>& statistics(std::string_view bank = {}) const;
  MovingStatistics<T>& statistics(std::string_view bank = {});

 private:
  const MovingStatistics<T>& own() const noexcept { return statistics_.front(); }
  using After = AfterNormalization;

  Variable<T> normalize(const Variable<T>& x, const Context<T>& ctx, const Call& call,
                        After after) const;
  // x is arranged, what they return is restored.
  Variable<T> by_batch(const Variable<T>& x, const NormalizationAxes& axes,
                       const MeasuredBatch<T>& batch, const Affine<T>& affine, After after) const;
  Variable<T> by_moving(const Variable<T>& x, const NormalizationAxes& axes,
                        const MovingStatistics<T>& moving, const Context<T>& ctx,
                        After after) const;
  Variable<T> adjusted(const Variable<T>& x, const NormalizationAxes& axes,
                       const MeasuredBatch<T>& batch, const Affine<T>& renorm,
                       const Context<T>& ctx, After after) const;

  void require_input(const NormalizationAxes& axes) const;
  NormLayout ghost_layout(const NormalizationAxes& axes) const;
  VarianceEstimator stored_estimator(const NormalizationAxes& axes) const;
  Affine<T> gamma_beta(const Context<T>& ctx) const;
  ScaleAndBias<T> adjustment_for(const Shape& input) const;

  Options options_;
  Parameter<T> gamma_, beta_;
  std::vector<MovingStatistics<T>> statistics_;  // the layer's own, then the banks
};

extern template class BatchNormalization<float>;
extern template class BatchNormalization<double>;

}  // namespace lamina
