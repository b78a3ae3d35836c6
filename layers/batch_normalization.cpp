#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/nn/initializers.hpp>
#include <string>

namespace lamina {
namespace {

constexpr const char* kWho = "batch_normalization";

void require(bool holds, const std::string& message) {
  if (!holds) throw ArgumentError(kWho, message);
}

const Initializer& given_or(const Initializer& given, const Initializer& fallback) {
  return given ? given : fallback;
}

// In the order of the seed; momentum of renorm is checked by its owner.
void check(const BatchNormalizationOptions& options) {
  require(!options.axis.empty(), "axis must name at least one axis; got an empty list");
  require(options.momentum >= 0 && options.momentum <= 1,
          "momentum must lie in [0, 1]; got " + std::to_string(options.momentum));
  require(std::isfinite(options.epsilon) && options.epsilon >= 0,
          "epsilon must be finite and at least 0; got " + std::to_string(options.epsilon));
  require(options.renorm || options.renorm_clipping.empty(),
          "renorm_clipping needs renorm = true; got bounds without it");
  if (!options.virtual_batch_size) return;
  const std::int64_t size = *options.virtual_batch_size;
  require(size > 0, "virtual_batch_size must be at least 1; got " + std::to_string(size));
  require(std::find(options.axis.begin(), options.axis.end(), 0) == options.axis.end(),
          "virtual_batch_size needs the batch axis reduced; got axis 0 among the kept axes");
  require(!options.adjustment, "virtual_batch_size and adjustment must not be combined; got both");
}

}  // namespace

void BatchNormalizationOptions::visit(OptionVisitor& visitor) {
  visitor("axis", axis);
  visitor("momentum", momentum);
  visitor("epsilon", epsilon);
  visitor("center", center);
  visitor("scale", scale);
  visitor("beta_initializer", beta_initializer);
  visitor("gamma_initializer", gamma_initializer);
  visitor("moving_mean_initializer", moving_mean_initializer);
  visitor("moving_variance_initializer", moving_variance_initializer);
  visitor("beta_regularizer", beta_regularizer);
  visitor("gamma_regularizer", gamma_regularizer);
  visitor("beta_constraint", beta_constraint);
  visitor("gamma_constraint", gamma_constraint);
  visitor("trainable", trainable);
  visitor("renorm", renorm);
  renorm_clipping.visit(visitor);
  visitor("renorm_momentum", renorm_momentum);
  visitor("fused", fused);
  visitor("virtual_batch_size", virtual_batch_size);
  visitor.closure("adjustment", static_cast<bool>(adjustment));
  visit_choice(visitor, "variance_estimator", variance_estimator,
               {"tensorflow", "biased", "unbiased"});
}

template <Scalar T>
BatchNormalization<T>::BatchNormalization(Options options)
    : options_(std::move(options)),
      gamma_({.trainable = options_.trainable,
              .regularizer = options_.gamma_regularizer,
              .constraint = options_.gamma_constraint}),
      beta_({.trainable = options_.trainable,
             .regularizer = options_.beta_regularizer,
             .constraint = options_.beta_constraint}) {
  check(options_);
  if (options_.renorm) {
    renorm_.emplace(options_.renorm_clipping, options_.renorm_momentum, options_.momentum,
                    options_.epsilon);
  }
}

template <Scalar T>
void BatchNormalization<T>::visit(Visitor<T>& visitor) {
  if (options_.scale) visitor("gamma", gamma_);
  if (options_.center) visitor("beta", beta_);
  visitor("moving_mean", moving_mean_);
  visitor("moving_variance", moving_variance_);
  if (renorm_) renorm_->visit(visitor);
}

template <Scalar T>
void BatchNormalization<T>::build(const Shape& input, Builder<T>& builder) {
  const Shape shape = NormalizationAxes(options_.axis, input).parameter_shape();
  if (options_.scale) {
    builder("gamma", gamma_, shape, given_or(options_.gamma_initializer, ones()));
  }
  if (options_.center) {
    builder("beta", beta_, shape, given_or(options_.beta_initializer, zeros()));
  }
  const Initializer mean = given_or(options_.moving_mean_initializer, zeros());
  const Initializer variance = given_or(options_.moving_variance_initializer, ones());
  builder("moving_mean", moving_mean_, shape, mean);
  builder("moving_variance", moving_variance_, shape, variance);
  if (renorm_) renorm_->build(shape, mean, variance, builder);
}

template <Scalar T>
Variable<T> BatchNormalization<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  const NormalizationAxes axes(options_.axis, x.shape());
  require_input(x.shape(), axes);
  return ctx.training ? train(x, axes, ctx) : infer(x, axes, ctx);
}

template <Scalar T>
Variable<T> BatchNormalization<T>::train(const Variable<T>& x, const NormalizationAxes& axes,
                                         const Context<T>& ctx) const {
  if (options_.trainable) ctx.require_place_for_updates();
  const Variable<T> arranged = axes.arranged(x);
  const Batch batch = measured(arranged, axes);
  const auto normalized = [&](const Affine<T>& affine) {
    return axes.restored(normalize_by_batch<T>(arranged, {batch.layout, batch.moments},
                                               affine.scale, affine.offset, options_.epsilon));
  };
  Affine<T> affine;
  if (renorm_) affine = renorm_->correction(batch.mean, batch.variance, ctx.step);

  Variable<T> y;
  if (options_.adjustment) {
    const ScaleAndBias<T> adjustment = adjustment_for(x.shape());
    const auto scale = axes.per_channel(adjustment.scale), bias = axes.per_channel(adjustment.bias);
    if (scale && bias) {
      y = normalized(affine.then({*scale, *bias}).then(gamma_beta(ctx)));
    } else {
      y = normalized(affine) * adjustment.scale + adjustment.bias;
      const Affine<T> last = gamma_beta(ctx);
      if (last.scale.defined()) y = y * axes.broadcastable(last.scale);
      if (last.offset.defined()) y = y + axes.broadcastable(last.offset);
    }
  } else {
    y = normalized(affine.then(gamma_beta(ctx)));
  }
  update_statistics(batch, axes, x.rank(), ctx);
  return y;
}

template <Scalar T>
Variable<T> BatchNormalization<T>::infer(const Variable<T>& x, const NormalizationAxes& axes,
                                         const Context<T>& ctx) const {
  const Shape shape{1, axes.layout().channels};
  const Moments moving{moving_mean_.value().template cast<double>().reshaped(shape),
                       moving_variance_.value().template cast<double>().reshaped(shape)};
  const Affine<T> affine = gamma_beta(ctx);
  return axes.restored(normalize_by_given(axes.arranged(x), axes.layout(), moving, affine.scale,
                                          affine.offset, options_.epsilon));
}

template <Scalar T>
void BatchNormalization<T>::require_input(const Shape& input, const NormalizationAxes& axes) const {
  if (options_.virtual_batch_size && axes.kept().front() == 0) {
    throw ShapeError(kWho,
                     "virtual_batch_size needs the batch axis reduced; got axis 0 among the "
                     "kept axes of input " +
                         input.to_string());
  }
  const Shape expected = moving_mean_.shape(), found = axes.parameter_shape();
  if (found == expected) return;
  if (found.rank() == 1 && expected.rank() == 1) {
    throw ShapeError(kWho, "axis " + std::to_string(options_.axis.front()) + " must have " +
                               std::to_string(expected[0]) + " channels; got input " +
                               input.to_string());
  }
  throw ShapeError(kWho, "the input must give parameters of shape " + expected.to_string() +
                             "; got input " + input.to_string() + ", which gives " +
                             found.to_string());
}

// Row-major (N, ...) is (v, N / v, ...): the second extent numbers the ghost batches.
template <Scalar T>
NormLayout BatchNormalization<T>::ghost_layout(const NormLayout& layout, const Shape& input) const {
  if (!options_.virtual_batch_size || layout.outer == 0) return layout;
  const std::int64_t size = *options_.virtual_batch_size;
  if (layout.outer % size != 0) {
    throw ShapeError(kWho, "virtual_batch_size must divide the batch in training; got input " +
                               input.to_string() + " and virtual_batch_size " +
                               std::to_string(size));
  }
  NormLayout result = layout;
  result.outer = size;
  result.groups = layout.outer / size;
  return result;
}

template <Scalar T>
typename BatchNormalization<T>::Batch BatchNormalization<T>::measured(
    const Variable<T>& arranged, const NormalizationAxes& axes) const {
  Batch batch;
  batch.layout = ghost_layout(axes.layout(), arranged.shape());
  batch.moments = moments(arranged.value(), batch.layout);
  const Shape shape = axes.parameter_shape();
  batch.mean = averaged_over_groups<T>(batch.moments.mean, batch.layout, shape);
  batch.variance = averaged_over_groups<T>(batch.moments.variance, batch.layout, shape);
  return batch;
}

template <Scalar T>
Affine<T> BatchNormalization<T>::gamma_beta(const Context<T>& ctx) const {
  return {.scale = options_.scale ? gamma_(ctx) : Variable<T>(),
          .offset = options_.center ? beta_(ctx) : Variable<T>()};
}

template <Scalar T>
ScaleAndBias<T> BatchNormalization<T>::adjustment_for(const Shape& input) const {
  const auto& function = options_.adjustment.template function<T>();
  require(static_cast<bool>(function),
          "the adjustment must return variables of the layer's type, " +
              std::string(name_of(dtype_of<T>())) + "; got one for another type");
  ScaleAndBias<T> result = function(input);
  for (const auto* variable : {&result.scale, &result.bias}) {
    if (variable->defined() && broadcasts_to(variable->shape(), input)) continue;
    throw ShapeError(kWho, "the adjustment must broadcast to the input; got " +
                               (variable->defined() ? variable->shape().to_string()
                                                    : std::string("an undefined variable")) +
                               " for input " + input.to_string());
  }
  return result;
}

template <Scalar T>
void BatchNormalization<T>::update_statistics(const Batch& batch, const NormalizationAxes& axes,
                                              int rank, const Context<T>& ctx) const {
  if (!options_.trainable || batch.layout.count() == 0) return;
  const double rate = 1 - options_.momentum;
  ctx.update(moving_mean_, batch.mean, rate);
  if (renorm_) return renorm_->update(batch.mean, batch.variance, moving_variance_, ctx);

  VarianceEstimator estimator = options_.variance_estimator;
  if (estimator == VarianceEstimator::tensorflow) {
    const bool fused =
        options_.fused.value_or(true) && !options_.virtual_batch_size && !options_.adjustment;
    estimator = tensorflow_would_fuse(dtype_of<T>(), rank, axes.kept(), fused)
                    ? VarianceEstimator::unbiased
                    : VarianceEstimator::biased;
  }
  const double factor = variance_factor(estimator, batch.layout.count());
  ctx.update(
      moving_variance_,
      averaged_over_groups<T>(batch.moments.variance, batch.layout, axes.parameter_shape(), factor),
      rate);
}

template class BatchNormalization<float>;
template class BatchNormalization<double>;

}  // namespace lamina
