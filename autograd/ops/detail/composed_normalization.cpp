#include <algorithm>
#include <cmath>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/detail/composed_normalization.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <lamina/autograd/ops/shape.hpp>

namespace lamina::detail {
namespace {

// x as (outer, groups, middle, channels, inner).
constexpr std::initializer_list<int> kSampleAxes = {0, 2, 4};
constexpr std::initializer_list<int> kAllButChannels = {0, 1, 2, 4};

template <Scalar T>
Variable<T> five_axes(const Variable<T>& x, const NormLayout& layout) {
  return reshape(x,
                 Shape{layout.outer, layout.groups, layout.middle, layout.channels, layout.inner});
}

template <Scalar T>
Variable<T> constant_statistic(const Tensor<double>& values, const NormLayout& layout) {
  return Variable<T>(values.cast<T>().reshaped(Shape{1, layout.groups, 1, layout.channels, 1}));
}

template <Scalar T>
Variable<T> scaled(const Variable<T>& dy, const Variable<T>& scale, const NormLayout& layout) {
  return scale.defined() ? dy * reshape(scale, Shape{1, 1, 1, layout.channels, 1}) : dy;
}

// The weights of a batch: which places have one, and what part w / n of the group's each has.
template <Scalar T>
class Weighting {
 public:
  explicit Weighting(const MeasuredBatch<T>& batch) : reduction_(batch.reduction) {
    const NormLayout& layout = batch.layout;
    const double* counts = batch.moments.count.data();
    if (!batch.weights.defined()) {
      Tensor<T> parts = Tensor<T>::uninitialized(Shape{1, layout.groups, 1, 1, 1});
      std::transform(counts, counts + layout.groups, parts.mutable_data(),
                     [](double n) { return n > 0 ? static_cast<T>(1 / n) : T{0}; });
      parts_ = Variable<T>(std::move(parts));
      return;
    }
    const std::int64_t places = layout.middle * layout.inner;
    const Shape shape{layout.outer, layout.groups, layout.middle, 1, layout.inner};
    Tensor<T> parts = Tensor<T>::uninitialized(shape);
    has_weight_ = Tensor<std::uint8_t>::uninitialized(shape);
    T* part = parts.mutable_data();
    std::uint8_t* has_weight = has_weight_.mutable_data();
    for (std::int64_t i = 0; i < shape.size(); ++i) {
      const auto weight = static_cast<double>(batch.weights.data()[i]);
      has_weight[i] = weight != 0;
      part[i] = weight != 0 ? static_cast<T>(weight / counts[i / places % layout.groups]) : T{0};
    }
    parts_ = Variable<T>(std::move(parts));
  }

  bool has_weight(std::int64_t place) const {
    return !has_weight_.defined() || has_weight_.data()[place] != 0;
  }
  // x where its weight is not 0, else 0.
  Variable<T> selected(const Variable<T>& x) const {
    return has_weight_.defined() ? keep_where(has_weight_, x) : x;
  }
  // x w / n.
  Variable<T> times(const Variable<T>& x) const { return parts_ * x; }
  // Over the places of all shares of the batch.
  Variable<T> sum_over_group(const Variable<T>& x) const {
    return sum_over_shares(sum(x, kSampleAxes, true), reduction_);
  }

 private:
  SharedReduction reduction_;
  Variable<T> parts_;
  Tensor<std::uint8_t> has_weight_;  // undefined: all have
};

// x - mean, with 0 for what is not finite where dy or the weight is 0: nothing comes of it there.
template <Scalar T, class HasWeight>
Variable<T> without_masked_infinities(const Variable<T>& centred, const Tensor<T>& dy,
                                      const NormLayout& layout, HasWeight has_weight) {
  Tensor<std::uint8_t> kept(centred.shape(), 1);
  bool all = true;
  for (std::int64_t i = 0; i < centred.size(); ++i) {
    if (std::isfinite(centred.value().data()[i])) continue;
    const std::int64_t row = i / (layout.channels * layout.inner);
    if (dy.data()[i] != 0 && has_weight(row * layout.inner + i % layout.inner)) continue;
    kept.mutable_data()[i] = 0;
    all = false;
  }
  return all ? centred : keep_where(kept, centred);
}

// Where the weights sum to 0 the variance that stands in the moments, a constant; elsewhere 0.
template <Scalar T>
Variable<T> replaced_variance(const MeasuredBatch<T>& batch) {
  const NormLayout& layout = batch.layout;
  Tensor<double> variance = batch.moments.variance;
  for (std::int64_t g = 0; g < layout.groups; ++g) {
    if (batch.moments.count.data()[g] == 0) continue;
    std::fill_n(variance.mutable_data() + g * layout.channels, layout.channels, 0.0);
  }
  return constant_statistic<T>(variance, layout);
}

// 1 / sqrt(variance + epsilon) as inverse_deviation() has it: 0, and a constant, where the root is
// 0.
template <Scalar T>
Variable<T> inverse_deviations(const Variable<T>& variance, const Moments& moments,
                               double epsilon) {
  const Variable<T> squares = variance + static_cast<T>(epsilon);
  Tensor<std::uint8_t> varies = Tensor<std::uint8_t>::uninitialized(squares.shape());
  bool all = true;
  for (std::int64_t s = 0; s < squares.size(); ++s) {
    const bool does = squares.value().data()[s] != 0 && moments.variance.data()[s] + epsilon != 0;
    varies.mutable_data()[s] = does;
    all = all && does;
  }
  if (all) return rsqrt(squares);
  const Variable<T> one(Tensor<T>(squares.shape(), T{1}));
  return keep_where(varies, rsqrt(where(varies, squares, one)));
}

template <Scalar T>
void add_coefficient_gradients(Backward<T>& b, const Variable<T>& dy, const Variable<T>& x_hat,
                               const Shape& scale, const Shape& offset) {
  if (b.wants(1)) b.add(1, reshape(sum(dy * x_hat, kAllButChannels), scale));
  if (b.wants(2)) b.add(2, reshape(sum(dy, kAllButChannels), offset));
}

}  // namespace

template <Scalar T>
void composed_batch_gradient(Backward<T>& b, const Variable<T>& gradient,
                             const MeasuredBatch<T>& batch, const Shape& offset, double epsilon) {
  const NormLayout& layout = batch.layout;
  const Variable<T>&x = b.saved(0), &scale = b.saved(1);
  const Variable<T> dy = five_axes(gradient, layout);
  const Weighting<T> weighting(batch);
  const auto mean = [&](const Variable<T>& selected) {
    return weighting.sum_over_group(weighting.times(selected));
  };
  // The deviation does not change when x moves by a constant; float keeps its digits then.
  const Variable<T> moved =
      five_axes(x, layout) - constant_statistic<T>(batch.moments.mean, layout);
  const Variable<T> centred =
      without_masked_infinities(moved - mean(weighting.selected(moved)), dy.value(), layout,
                                [&](std::int64_t place) { return weighting.has_weight(place); });
  const Variable<T> selected = weighting.selected(centred);
  const Variable<T> variance = mean(square(selected)) + replaced_variance(batch);
  const Variable<T> inverse = inverse_deviations(variance, batch.moments, epsilon);
  const Variable<T> x_hat = centred * inverse;
  if (b.wants(0)) {
    const Variable<T> g = scaled(dy, scale, layout);
    const Variable<T> through_statistics = weighting.times(
        weighting.sum_over_group(g) + selected * inverse * weighting.sum_over_group(g * x_hat));
    b.add(0, reshape(inverse * (g - through_statistics), x.shape()));
  }
  add_coefficient_gradients(b, dy, x_hat, scale.shape(), offset);
}

template <Scalar T>
void composed_given_gradient(Backward<T>& b, const NormLayout& layout, const Moments& moments,
                             const Shape& offset, double epsilon) {
  const Variable<T>&x = b.saved(0), &scale = b.saved(1);
  const Variable<T> dy = five_axes(b.gradient(), layout);
  const Variable<T> inverse =
      inverse_deviations(constant_statistic<T>(moments.variance, layout), moments, epsilon);
  const Variable<T> centred = five_axes(x, layout) - constant_statistic<T>(moments.mean, layout);
  const Variable<T> x_hat =
      without_masked_infinities(centred, dy.value(), layout, [](std::int64_t) { return true; }) *
      inverse;
  if (b.wants(0)) b.add(0, reshape(scaled(dy, scale, layout) * inverse, x.shape()));
  add_coefficient_gradients(b, dy, x_hat, scale.shape(), offset);
}

#define LAMINA_COMPOSED_NORMALIZATION(T)                                                           \
  template void composed_batch_gradient(Backward<T>&, const Variable<T>&, const MeasuredBatch<T>&, \
                                        const Shape&, double);                                     \
  template void composed_given_gradient(Backward<T>&, const NormLayout&, const Moments&,           \
                                        const Shape&, double);
LAMINA_COMPOSED_NORMALIZATION(float)
LAMINA_COMPOSED_NORMALIZATION(double)
#undef LAMINA_COMPOSED_NORMALIZATION

}  // namespace lamina::detail
