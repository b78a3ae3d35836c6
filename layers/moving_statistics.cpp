#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/moving_statistics.hpp>

namespace lamina {

template <Scalar T>
MovingStatistics<T>::MovingStatistics(std::string bank, const BatchNormalizationOptions& options)
    : bank_(std::move(bank)),
      prefix_(bank_.empty() ? "" : bank_ + "."),
      momentum_(options.momentum),
      non_finite_(options.non_finite) {
  if (!options.renorm) return;
  renorm_.emplace(options.renorm_clipping, options.renorm_momentum, options.epsilon);
}

template <Scalar T>
void MovingStatistics<T>::visit(Visitor<T>& visitor) {
  visitor(prefixed("moving_mean"), mean_);
  visitor(prefixed("moving_variance"), variance_);
  if (renorm_) renorm_->visit(visitor, prefix_);
  visitor(prefixed("updates"), updates_);
}

template <Scalar T>
void MovingStatistics<T>::build(const Shape& shape, const Initializer& mean,
                                const Initializer& variance, Builder<T>& builder) {
  builder(prefixed("moving_mean"), mean_, shape, mean);
  builder(prefixed("moving_variance"), variance_, shape, variance);
  if (renorm_) renorm_->build(shape, mean, variance, prefix_, builder);
}

template <Scalar T>
Moments MovingStatistics<T>::moments() const {
  const Shape shape{1, mean_.value().size()};
  return {.mean = mean_.value().template cast<double>().reshaped(shape),
          .variance = variance_.value().template cast<double>().reshaped(shape),
          .count = Tensor<double>(Shape{1}, 0.0)};
}

template <Scalar T>
Affine<T> MovingStatistics<T>::correction(const BatchStatistics<T>& batch,
                                          std::int64_t step) const {
  if (!renorm_ || batch.empty) return {};
  return renorm_->correction(batch.mean, batch.variance, step);
}

template <Scalar T>
void MovingStatistics<T>::update(const BatchStatistics<T>& batch, const std::string& path,
                                 const Context<T>& ctx) const {
  if (batch.empty || !accepted(batch, path, ctx)) return;
  move(batch, momentum_.rate(updates_), renorm_ ? renorm_->rate() : Rate(0), ctx);
  ctx.count(updates_);
}

template <Scalar T>
void MovingStatistics<T>::settle(const BatchStatistics<T>& batch, const Context<T>& ctx) const {
  move(batch, 1, 1, ctx);
}

template <Scalar T>
void MovingStatistics<T>::move(const BatchStatistics<T>& batch, const Rate& rate,
                               const Rate& renorm_rate, const Context<T>& ctx) const {
  const Tensor<T> mean = batch.mean.template cast<T>();
  ctx.update(mean_, mean, rate);
  if (renorm_) {
    renorm_->update(mean, batch.variance, variance_, rate, renorm_rate, ctx);
  } else {
    ctx.update(variance_, batch.stored_variance, rate);
  }
}

template <Scalar T>
bool MovingStatistics<T>::accepted(const BatchStatistics<T>& batch, const std::string& path,
                                   const Context<T>& ctx) const {
  if (non_finite_ == NonFinite::propagate || batch.finite()) return true;
  if (non_finite_ == NonFinite::raise) {
    throw NumericError("batch_normalization",
                       "non_finite = raise needs finite statistics; got a batch whose mean or "
                       "variance is not");
  }
  if (ctx.warn)
    ctx.warn->warn(path, "a batch with NaN or infinity left the moving statistics as they were");
  return false;
}

template class MovingStatistics<float>;
template class MovingStatistics<double>;

}  // namespace lamina
