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
  visitor("fused", fused);
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
  require(!options_.axis.empty(), "axis must name at least one axis; got an empty list");
  require(options_.momentum >= 0 && options_.momentum <= 1,
          "momentum must lie in [0, 1]; got " + std::to_string(options_.momentum));
  require(std::isfinite(options_.epsilon) && options_.epsilon >= 0,
          "epsilon must be finite and at least 0; got " + std::to_string(options_.epsilon));
}

template <Scalar T>
void BatchNormalization<T>::visit(Visitor<T>& visitor) {
  if (options_.scale) visitor("gamma", gamma_);
  if (options_.center) visitor("beta", beta_);
  visitor("moving_mean", moving_mean_);
  visitor("moving_variance", moving_variance_);
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
  builder("moving_mean", moving_mean_, shape, given_or(options_.moving_mean_initializer, zeros()));
  builder("moving_variance", moving_variance_, shape,
          given_or(options_.moving_variance_initializer, ones()));
}

template <Scalar T>
Variable<T> BatchNormalization<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  const NormalizationAxes axes(options_.axis, x.shape());
  require_channels(x.shape(), axes);
  const Variable<T> arranged = axes.arranged(x);
  const Affine<T> affine = gamma_beta(ctx);
  if (!ctx.training) {
    return axes.restored(normalize_by_given(arranged, axes.layout(), moving_moments(axes.layout()),
                                            affine.scale, affine.offset, options_.epsilon));
  }
  const Moments batch = moments(arranged.value(), axes.layout());
  const Variable<T> y = normalize_by_batch(arranged, axes.layout(), batch, affine.scale,
                                           affine.offset, options_.epsilon);
  update_statistics(batch, axes, x.rank(), ctx);
  return axes.restored(y);
}

template <Scalar T>
void BatchNormalization<T>::require_channels(const Shape& input,
                                             const NormalizationAxes& axes) const {
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

template <Scalar T>
Affine<T> BatchNormalization<T>::gamma_beta(const Context<T>& ctx) const {
  return {.scale = options_.scale ? gamma_(ctx) : Variable<T>(),
          .offset = options_.center ? beta_(ctx) : Variable<T>()};
}

template <Scalar T>
Moments BatchNormalization<T>::moving_moments(const NormLayout& layout) const {
  const Shape shape{layout.groups, layout.channels};
  return {moving_mean_.value().template cast<double>().reshaped(shape),
          moving_variance_.value().template cast<double>().reshaped(shape)};
}

template <Scalar T>
void BatchNormalization<T>::update_statistics(const Moments& batch, const NormalizationAxes& axes,
                                              int rank, const Context<T>& ctx) const {
  const NormLayout& layout = axes.layout();
  if (!options_.trainable || layout.count() == 0) return;
  VarianceEstimator estimator = options_.variance_estimator;
  if (estimator == VarianceEstimator::tensorflow) {
    const bool fused =
        tensorflow_would_fuse(dtype_of<T>(), rank, axes.kept(), options_.fused.value_or(true));
    estimator = fused ? VarianceEstimator::unbiased : VarianceEstimator::biased;
  }
  const double rate = 1 - options_.momentum;
  const Shape shape = axes.parameter_shape();
  ctx.update(moving_mean_, averaged_over_groups<T>(batch.mean, layout, shape), rate);
  ctx.update(moving_variance_,
             averaged_over_groups<T>(batch.variance, layout, shape,
                                     variance_factor(estimator, layout.count())),
             rate);
}

template class BatchNormalization<float>;
template class BatchNormalization<double>;

}  // namespace lamina
