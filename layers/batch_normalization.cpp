#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/batch_normalization.hpp>
#include <lamina/layers/detail/absorbable.hpp>
#include <lamina/layers/normalization_observer.hpp>
#include <lamina/nn/initializers.hpp>

namespace lamina {
namespace {

constexpr const char* kWho = "batch_normalization";

const Initializer& given_or(const Initializer& given, const Initializer& fallback) {
  return given ? given : fallback;
}

BatchNormalizationOptions checked(BatchNormalizationOptions options) {
  options.check();
  return options;
}

// Ghost batches without weight have no statistics: the moving ones take their place, as constants.
// Where renorm corrects the others, (x - mean') / deviation' r + d is to be what the moving ones
// make of x: mean' = mean + d deviation and deviation' = r deviation.
template <Scalar T>
void fill_weightless(MeasuredBatch<T>& batch, const Moments& moving, const Affine<T>& renorm,
                     double epsilon) {
  Moments& moments = batch.moments;
  for (std::int64_t g = 0; g < batch.layout.groups; ++g) {
    if (moments.count.data()[g] > 0) continue;
    const std::int64_t channels = batch.layout.channels, first = g * channels;
    double* const mean = moments.mean.mutable_data() + first;
    double* const variance = moments.variance.mutable_data() + first;
    std::copy_n(moving.mean.data(), channels, mean);
    std::copy_n(moving.variance.data(), channels, variance);
    if (!renorm.scale.defined()) continue;
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto r = static_cast<double>(renorm.scale.value().data()[c]);
      const auto d = static_cast<double>(renorm.offset.value().data()[c]);
      mean[c] += d * std::sqrt(variance[c] + epsilon);
      variance[c] = r * r * (variance[c] + epsilon) - epsilon;
    }
  }
}

}  // namespace

template <Scalar T>
BatchNormalization<T>::BatchNormalization(Options options)
    : options_(checked(std::move(options))),
      gamma_({.trainable = options_.trainable,
              .regularizer = options_.gamma_regularizer,
              .constraint = options_.gamma_constraint}),
      beta_({.trainable = options_.trainable,
             .regularizer = options_.beta_regularizer,
             .constraint = options_.beta_constraint}) {
  statistics_.emplace_back("", options_);
  for (const std::string& bank : options_.banks) statistics_.emplace_back(bank, options_);
}

template <Scalar T>
void BatchNormalization<T>::visit(Visitor<T>& visitor) {
  if (options_.scale) visitor("gamma", gamma_);
  if (options_.center) visitor("beta", beta_);
  for (auto& statistics : statistics_) statistics.visit(visitor);
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
  for (auto& statistics : statistics_) statistics.build(shape, mean, variance, builder);
}

template <Scalar T>
void BatchNormalization<T>::freeze() {
  set_trainable(false);
  set_update_statistics(false);
  set_use_batch_statistics(false);
}

template <Scalar T>
void BatchNormalization<T>::set_trainable(bool trainable) {
  options_.trainable = trainable;
  gamma_.set_trainable(trainable);
  beta_.set_trainable(trainable);
}

template <Scalar T>
const MovingStatistics<T>& BatchNormalization<T>::statistics(std::string_view bank) const {
  for (const auto& statistics : statistics_) {
    if (statistics.bank() == bank) return statistics;
  }
  throw ArgumentError(kWho,
                      fmt::format("a bank must be one of the option banks; got '{}', expected "
                                  "one of '{}'",
                                  bank, fmt::join(options_.banks, "', '")));
}

template <Scalar T>
MovingStatistics<T>& BatchNormalization<T>::statistics(std::string_view bank) {
  return const_cast<MovingStatistics<T>&>(std::as_const(*this).statistics(bank));
}

template <Scalar T>
Variable<T> BatchNormalization<T>::operator()(const Variable<T>& x, const Context<T>& ctx,
                                              const Call& call) {
  return this->call(
      x, ctx, [&](const Context<T>& inner) { return normalize(x, inner, call, After::nothing); });
}

template <Scalar T>
Variable<T> BatchNormalization<T>::operator()(const Variable<T>& x, const Context<T>& ctx,
                                              const Call& call) const {
  return this->call(
      x, ctx, [&](const Context<T>& inner) { return normalize(x, inner, call, After::nothing); });
}

template <Scalar T>
Variable<T> BatchNormalization<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  return normalize(x, ctx, {}, After::nothing);
}

template <Scalar T>
std::size_t BatchNormalization<T>::absorbs(const Shape& input, Followers<T> next) const {
  if (!detail::exactly<BatchNormalization>(static_cast<const Module<T>&>(*this))) return 0;
  if (next.empty() || !detail::is_plain_relu(*next[0])) return 0;
  if (next.size() < 2 || input.rank() != 4 || options_.axis.size() != 1) return 1;
  // Images that are normalized by channel.
  const int axis = static_cast<int>((options_.axis.front() + 4) % 4);
  const bool channels_first = axis == 1;
  const auto layout = channels_first ? Layout::channels_first : Layout::channels_last;
  const bool images =
      (channels_first || axis == 3) && std::min(input[2], input[channels_first ? 3 : 1]) >= 2;
  return images && detail::is_plain_pooling(*next[1], layout) ? 2 : 1;
}

template <Scalar T>
Variable<T> BatchNormalization<T>::forward_absorbing(const Variable<T>& x, const Context<T>& ctx,
                                                     Followers<T> absorbed) const {
  return normalize(x, ctx, {}, absorbed.size() == 1 ? After::relu : After::relu_max_pool);
}

template <Scalar T>
Variable<T> BatchNormalization<T>::normalize(const Variable<T>& x, const Context<T>& ctx,
                                             const Call& call, After after) const {
  const bool training = call.training.value_or(ctx.training);
  const bool by_batch_statistics = options_.use_batch_statistics.value_or(training);
  const bool updates = training && options_.follows_training();
  const MovingStatistics<T>& moving = statistics(call.bank);
  const NormalizationAxes axes(options_.axis, x.shape());
  require_input(axes);
  const Tensor<T> weights = axes.arranged_weights(call.mask);
  if (updates) ctx.require_place_for_updates();
  if (!by_batch_statistics && ctx.warn && moving.updates().value() == 0) {
    ctx.warn->warn(this->path(), "normalizing by moving statistics that no training has updated");
  }

  const Variable<T> arranged = axes.arranged(x);
  if (auto* observer = dynamic_cast<NormalizationObserver<T>*>(ctx.observer)) {
    observer->normalizes({.layer = *this,
                          .moving = moving,
                          .x = arranged.value(),
                          .layout = axes.layout(),
                          .weights = weights,
                          .parameter_shape = axes.parameter_shape(),
                          .estimator = stored_estimator(axes)});
  }
  if (!by_batch_statistics && !updates) return by_moving(arranged, axes, moving, ctx, after);
  MeasuredBatch<T> batch =
      measure(arranged.value(), training ? ghost_layout(axes) : axes.layout(), weights,
              SharedReduction(SharedReduction(), ctx.reduction));  // not owned: it is the caller's
  const BatchStatistics<T> statistics(batch.moments, batch.layout, axes.parameter_shape(),
                                      stored_estimator(axes));
  const Affine<T> renorm = training ? moving.correction(statistics, ctx.step) : Affine<T>();
  fill_weightless(batch, moving.moments(), renorm, options_.epsilon);
  Variable<T> y = !by_batch_statistics ? by_moving(arranged, axes, moving, ctx, after)
                  : training           ? adjusted(arranged, axes, batch, renorm, ctx, after)
                                       : by_batch(arranged, axes, batch, gamma_beta(ctx), after);
  if (updates) moving.update(statistics, this->path(), ctx);
  return y;
}

template <Scalar T>
Variable<T> BatchNormalization<T>::by_batch(const Variable<T>& x, const NormalizationAxes& axes,
                                            const MeasuredBatch<T>& batch, const Affine<T>& affine,
                                            After after) const {
  return axes.restored(
      normalize_by_batch(x, batch, affine.scale, affine.offset, options_.epsilon, after));
}

template <Scalar T>
Variable<T> BatchNormalization<T>::by_moving(const Variable<T>& x, const NormalizationAxes& axes,
                                             const MovingStatistics<T>& moving,
                                             const Context<T>& ctx, After after) const {
  const Affine<T> affine = gamma_beta(ctx);
  return axes.restored(normalize_by_given(x, axes.layout(), moving.moments(), affine.scale,
                                          affine.offset, options_.epsilon, after));
}

// ((x_hat r + d) a + b) gamma + beta; only what differs from example to example is not composed
// before the data is touched.
template <Scalar T>
Variable<T> BatchNormalization<T>::adjusted(const Variable<T>& x, const NormalizationAxes& axes,
                                            const MeasuredBatch<T>& batch, const Affine<T>& renorm,
                                            const Context<T>& ctx, After after) const {
  const Affine<T> last = gamma_beta(ctx);
  if (!options_.adjustment) return by_batch(x, axes, batch, renorm.then(last), after);
  const ScaleAndBias<T> adjustment = adjustment_for(axes.input());
  const auto scale = axes.per_channel(adjustment.scale), bias = axes.per_channel(adjustment.bias);
  if (scale && bias) {
    return by_batch(x, axes, batch, renorm.then({*scale, *bias}).then(last), after);
  }
  Variable<T> y =
      by_batch(x, axes, batch, renorm, After::nothing) * adjustment.scale + adjustment.bias;
  if (last.scale.defined()) y = y * axes.broadcastable(last.scale);
  if (last.offset.defined()) y = y + axes.broadcastable(last.offset);
  return then(after, y, axes.layout());
}

template <Scalar T>
void BatchNormalization<T>::require_input(const NormalizationAxes& axes) const {
  if (options_.virtual_batch_size && axes.kept().front() == 0) {
    throw ShapeError(kWho,
                     "virtual_batch_size needs the batch axis reduced; got axis 0 among the "
                     "kept axes of input " +
                         axes.input().to_string());
  }
  const Shape expected = own().mean().shape(), found = axes.parameter_shape();
  if (found == expected) return;
  if (found.rank() == 1 && expected.rank() == 1) {
    throw ShapeError(
        kWho, fmt::format("axis {} must have {} channels; got input {}", options_.axis.front(),
                          expected[0], axes.input().to_string()));
  }
  throw ShapeError(kWho,
                   fmt::format("the input must give parameters of shape {}; got input {}, "
                               "which gives {}",
                               expected.to_string(), axes.input().to_string(), found.to_string()));
}

// Row-major (N, ...) is (v, N / v, ...): the second extent numbers the ghost batches.
template <Scalar T>
NormLayout BatchNormalization<T>::ghost_layout(const NormalizationAxes& axes) const {
  NormLayout layout = axes.layout();
  if (!options_.virtual_batch_size || layout.outer == 0) return layout;
  const std::int64_t size = *options_.virtual_batch_size;
  if (layout.outer % size != 0) {
    throw ShapeError(kWho, fmt::format("virtual_batch_size must divide the batch in training; got "
                                       "input {} and virtual_batch_size {}",
                                       axes.input().to_string(), size));
  }
  layout.groups = layout.outer / size;
  layout.outer = size;
  return layout;
}

template <Scalar T>
Affine<T> BatchNormalization<T>::gamma_beta(const Context<T>& ctx) const {
  return {.scale = options_.scale ? gamma_(ctx) : Variable<T>(),
          .offset = options_.center ? beta_(ctx) : Variable<T>()};
}

template <Scalar T>
ScaleAndBias<T> BatchNormalization<T>::adjustment_for(const Shape& input) const {
  const auto& function = options_.adjustment.template function<T>();
  if (!function) {
    throw ArgumentError(kWho,
                        fmt::format("the adjustment must return variables of the layer's type, "
                                    "{}; got one for another type",
                                    name_of(dtype_of<T>())));
  }
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
VarianceEstimator BatchNormalization<T>::stored_estimator(const NormalizationAxes& axes) const {
  if (options_.variance_estimator != VarianceEstimator::tensorflow) {
    return options_.variance_estimator;
  }
  const bool fused = options_.fused.value_or(true) && !options_.virtual_batch_size &&
                     !options_.adjustment && !options_.renorm;
  return tensorflow_would_fuse(dtype_of<T>(), axes.input().rank(), axes.kept(), fused)
             ? VarianceEstimator::unbiased
             : VarianceEstimator::biased;
}

template class BatchNormalization<float>;
template class BatchNormalization<double>;

}  // namespace lamina
