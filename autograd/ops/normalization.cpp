#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/normalization.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/selection.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <string>

namespace lamina {
namespace {

void require_layout(const Shape& shape, const NormLayout& layout) {
  if (shape.size() == layout.size()) return;
  throw ShapeError("normalize", "the layout must cover the input; got " +
                                    std::to_string(layout.size()) + " elements for input " +
                                    shape.to_string());
}

template <Scalar T>
void require_coefficients(const Variable<T>& variable, const NormLayout& layout, const char* role) {
  if (!variable.defined() || variable.size() == layout.channels) return;
  throw ShapeError("normalize", std::string("the ") + role +
                                    " must have one value per channel; got " +
                                    variable.shape().to_string() + ", expected " +
                                    std::to_string(layout.channels) + " values");
}

void require_moments(const Moments& moments, const NormLayout& layout) {
  for (const Tensor<double>* values : {&moments.mean, &moments.variance}) {
    if (values->size() == layout.statistics()) continue;
    throw ShapeError("normalize", "the moments must have one value per group and channel; got " +
                                      values->shape().to_string() + ", expected " +
                                      std::to_string(layout.statistics()) + " values");
  }
}

// Coefficients by (group, channel), in double.
Tensor<double> per_statistic(const NormLayout& layout) {
  return Tensor<double>::uninitialized(Shape{layout.groups, layout.channels});
}

template <class Formula>
Tensor<double> filled(const NormLayout& layout, Formula&& formula) {
  Tensor<double> result = per_statistic(layout);
  double* out = result.mutable_data();
  for (std::int64_t s = 0; s < layout.statistics();) {
    for (std::int64_t c = 0; c < layout.channels; ++c, ++s) out[s] = formula(s, c);
  }
  return result;
}

Tensor<double> inverse_deviation(const Moments& moments, const NormLayout& layout, double epsilon) {
  const double* variance = moments.variance.data();
  return filled(
      layout, [=](std::int64_t s, std::int64_t) { return 1.0 / std::sqrt(variance[s] + epsilon); });
}

// The values of a coefficient by channel; `absent` where there is none.
template <Scalar T>
Tensor<double> by_channel(const Variable<T>& variable, const NormLayout& layout, double absent) {
  return variable.defined() ? variable.value().template cast<double>()
                            : Tensor<double>(Shape{layout.channels}, absent);
}

// What multiplies x - mean: the inverse deviation times the scale.
template <Scalar T>
Tensor<double> factors_of(const Tensor<double>& inverse, const Variable<T>& scale,
                          const NormLayout& layout) {
  if (!scale.defined()) return inverse;
  const Tensor<double> scales = by_channel(scale, layout, 1.0);
  return filled(layout, [inv = inverse.data(), by = scales.data()](std::int64_t s, std::int64_t c) {
    return inv[s] * by[c];
  });
}

template <Scalar T>
Tensor<T> normalized(const Tensor<T>& x, const NormLayout& layout, const Moments& moments,
                     const Variable<T>& scale, const Variable<T>& offset, double epsilon) {
  require_layout(x.shape(), layout);
  require_moments(moments, layout);
  require_coefficients(scale, layout, "scale");
  require_coefficients(offset, layout, "offset");
  const Tensor<double> factors =
      factors_of(inverse_deviation(moments, layout, epsilon), scale, layout);
  const Tensor<double> by_offset = by_channel(offset, layout, 0.0);
  const Tensor<double> offsets =
      filled(layout, [by = by_offset.data()](std::int64_t, std::int64_t c) { return by[c]; });
  Tensor<T> y = Tensor<T>::uninitialized(x.shape());
  kernels::scale_centred(x.data(), layout, moments.mean.data(), factors.data(), offsets.data(),
                         y.mutable_data());
  return y;
}

// Sum over the groups of `values`, in the shape of a coefficient.
template <Scalar T, class Formula>
Tensor<T> summed_over_groups(const NormLayout& layout, const Shape& shape, Formula&& value) {
  Tensor<double> sums(Shape{layout.channels}, 0.0);
  double* sum = sums.mutable_data();
  for (std::int64_t s = 0; s < layout.statistics();) {
    for (std::int64_t c = 0; c < layout.channels; ++c, ++s) sum[c] += value(s);
  }
  return sums.template cast<T>().reshaped(shape);
}

// What both fused backward passes share: the sums, and from them the gradients of scale and offset.
template <Scalar T>
struct GradientSums {
  Tensor<double> dy, dy_centred;

  GradientSums(const Tensor<T>& x, const Tensor<T>& gradient, const Tensor<T>& weights,
               const NormLayout& layout, const Moments& moments)
      : dy(per_statistic(layout)), dy_centred(per_statistic(layout)) {
    kernels::gradient_sums(x.data(), gradient.data(), weights.data(), layout, moments.mean.data(),
                           dy.mutable_data(), dy_centred.mutable_data());
  }

  void add_coefficient_gradients(Backward<T>& b, const NormLayout& layout,
                                 const Tensor<double>& inverse, const Shape& scale,
                                 const Shape& offset) const {
    if (b.wants(1)) {
      b.add(1, summed_over_groups<T>(layout, scale, [&](std::int64_t s) {
              return dy_centred.data()[s] * inverse.data()[s];
            }));
    }
    if (b.wants(2)) {
      b.add(2, summed_over_groups<T>(layout, offset, [&](std::int64_t s) { return dy.data()[s]; }));
    }
  }
};

// ---- the composed forms, on x as (outer, groups, middle, channels, inner) ----

constexpr std::initializer_list<int> kSampleAxes = {0, 2, 4};
constexpr std::initializer_list<int> kAllButChannels = {0, 1, 2, 4};

Shape five_extents(const NormLayout& layout) {
  return {layout.outer, layout.groups, layout.middle, layout.channels, layout.inner};
}

Shape per_statistic_of_five(const NormLayout& layout) {
  return {1, layout.groups, 1, layout.channels, 1};
}

template <Scalar T>
Variable<T> constant_statistic(const Tensor<double>& values, const NormLayout& layout) {
  return Variable<T>(values.cast<T>().reshaped(per_statistic_of_five(layout)));
}

template <Scalar T>
Variable<T> scaled(const Variable<T>& dy, const Variable<T>& scale, const NormLayout& layout) {
  return scale.defined() ? dy * reshape(scale, Shape{1, 1, 1, layout.channels, 1}) : dy;
}

// w / n of a batch, and weighted means by it.
template <Scalar T>
class Shares {
 public:
  explicit Shares(const MeasuredBatch<T>& batch)
      : equal_share_(T{1} / static_cast<T>(std::max<std::int64_t>(batch.layout.count(), 1))) {
    if (!batch.weights.defined()) return;
    const NormLayout& layout = batch.layout;
    const std::int64_t places = layout.middle * layout.inner;
    const Shape shape{layout.outer, layout.groups, layout.middle, 1, layout.inner};
    Tensor<T> shares = Tensor<T>::uninitialized(shape);
    has_weight_ = Tensor<std::uint8_t>::uninitialized(shape);
    T* share = shares.mutable_data();
    std::uint8_t* has_weight = has_weight_.mutable_data();
    for (std::int64_t i = 0; i < shape.size(); ++i) {
      const T weight = batch.weights.data()[i];
      const double n = batch.moments.count.data()[i / places % layout.groups];
      share[i] = weight == 0 ? T{0} : static_cast<T>(static_cast<double>(weight) / n);
      has_weight[i] = weight != 0;
    }
    shares_ = Variable<T>(std::move(shares));
  }

  bool has_weight(std::int64_t place) const {
    return !shares_.defined() || has_weight_.data()[place] != 0;
  }
  // x where its weight is not 0, else 0.
  Variable<T> selected(const Variable<T>& x) const {
    return shares_.defined() ? keep_where(has_weight_, x) : x;
  }
  Variable<T> times(const Variable<T>& x) const {
    return shares_.defined() ? shares_ * x : x * equal_share_;
  }
  Variable<T> mean(const Variable<T>& selected) const {
    return sum(times(selected), kSampleAxes, true);
  }

 private:
  T equal_share_;  // without weights
  Variable<T> shares_;
  Tensor<std::uint8_t> has_weight_;
};

// x - mean, with 0 for what is not finite where dy or the weight is 0: nothing comes of it there.
template <Scalar T>
Variable<T> without_masked_infinities(const Variable<T>& centred, const Tensor<T>& dy,
                                      const NormLayout& layout, const Shares<T>& shares) {
  Tensor<std::uint8_t> kept(centred.shape(), 1);
  bool all = true;
  for (std::int64_t i = 0; i < centred.size(); ++i) {
    if (std::isfinite(centred.value().data()[i])) continue;
    const std::int64_t row = i / (layout.channels * layout.inner);
    if (dy.data()[i] != 0 && shares.has_weight(row * layout.inner + i % layout.inner)) continue;
    kept.mutable_data()[i] = 0;
    all = false;
  }
  return all ? centred : keep_where(kept, centred);
}

template <Scalar T>
void add_composed_coefficient_gradients(Backward<T>& b, const Variable<T>& dy,
                                        const Variable<T>& x_hat, const Shape& scale,
                                        const Shape& offset) {
  if (b.wants(1)) b.add(1, reshape(sum(dy * x_hat, kAllButChannels), scale));
  if (b.wants(2)) b.add(2, reshape(sum(dy, kAllButChannels), offset));
}

// Where the weights sum to 0 the value that stands in `moments`, a constant; elsewhere 0.
template <Scalar T>
Variable<T> replaced(const Tensor<double>& values, const MeasuredBatch<T>& batch) {
  const NormLayout& layout = batch.layout;
  return constant_statistic<T>(filled(layout,
                                      [&](std::int64_t s, std::int64_t) {
                                        const double n =
                                            batch.moments.count.data()[s / layout.channels];
                                        return n > 0 ? 0.0 : values.data()[s];
                                      }),
                               layout);
}

template <Scalar T>
void composed_batch_gradient(Backward<T>& b, const MeasuredBatch<T>& batch, const Shape& offset,
                             double epsilon) {
  const NormLayout& layout = batch.layout;
  const Variable<T>&x = b.saved(0), &scale = b.saved(1);
  const Shares<T> shares(batch);
  const Variable<T> dy = reshape(b.gradient(), five_extents(layout));
  // Moments do not change when x and its mean move by a constant; float keeps its digits then.
  const Variable<T> moved =
      reshape(x, five_extents(layout)) - constant_statistic<T>(batch.moments.mean, layout);
  const Variable<T> centred = without_masked_infinities(moved - shares.mean(shares.selected(moved)),
                                                        dy.value(), layout, shares);
  const Variable<T> selected = shares.selected(centred);
  const Variable<T> variance =
      shares.mean(square(selected)) + replaced(batch.moments.variance, batch);
  const Variable<T> inverse = rsqrt(variance + static_cast<T>(epsilon));
  const Variable<T> x_hat = centred * inverse;
  if (b.wants(0)) {
    const Variable<T> g = scaled(dy, scale, layout);
    const Variable<T> through_statistics = shares.times(
        sum(g, kSampleAxes, true) + selected * inverse * sum(g * x_hat, kSampleAxes, true));
    b.add(0, reshape(inverse * (g - through_statistics), x.shape()));
  }
  add_composed_coefficient_gradients(b, dy, x_hat, scale.shape(), offset);
}

template <Scalar T>
void composed_given_gradient(Backward<T>& b, const NormLayout& layout, const Moments& moments,
                             const Shape& offset, double epsilon) {
  const Variable<T>&x = b.saved(0), &scale = b.saved(1);
  const Variable<T> inverse =
      constant_statistic<T>(inverse_deviation(moments, layout, epsilon), layout);
  const Variable<T> dy = reshape(b.gradient(), five_extents(layout));
  const Variable<T> centred =
      reshape(x, five_extents(layout)) - constant_statistic<T>(moments.mean, layout);
  const Variable<T> x_hat =
      without_masked_infinities(centred, dy.value(), layout, Shares<T>({layout})) * inverse;
  if (b.wants(0)) b.add(0, reshape(scaled(dy, scale, layout) * inverse, x.shape()));
  add_composed_coefficient_gradients(b, dy, x_hat, scale.shape(), offset);
}

}  // namespace

template <Scalar T>
Variable<T> normalize_by_batch(const Variable<T>& x, const MeasuredBatch<T>& batch,
                               const Variable<T>& scale, const Variable<T>& offset,
                               double epsilon) {
  Tensor<T> y = normalized(x.value(), batch.layout, batch.moments, scale, offset, epsilon);
  return record<T>(
      "normalize_by_batch", {x, scale, offset}, std::move(y), save(x, scale),
      [batch, epsilon, offset_shape = offset.shape()](Backward<T>& b) {
        if (b.with_graph()) return composed_batch_gradient(b, batch, offset_shape, epsilon);
        const NormLayout& layout = batch.layout;
        const Tensor<T>&x = b.saved(0).value(), &dy = b.gradient().value();
        const Variable<T>& scale = b.saved(1);
        const GradientSums<T> sums(x, dy, batch.weights, layout, batch.moments);
        const Tensor<double> inverse = inverse_deviation(batch.moments, layout, epsilon);
        sums.add_coefficient_gradients(b, layout, inverse, scale.shape(), offset_shape);
        if (!b.wants(0)) return;
        // One value is its own mean: nothing depends on it, and rounding must not say otherwise.
        if (layout.count() == 1 && !batch.weights.defined()) {
          return b.add(0, Tensor<T>::zeros(x.shape()));
        }
        const Tensor<double> factor = factors_of(inverse, scale, layout);
        Tensor<double> of_x = per_statistic(layout), constant = per_statistic(layout);
        double *x_out = of_x.mutable_data(), *constant_out = constant.mutable_data();
        for (std::int64_t g = 0; g < layout.groups; ++g) {
          const double n = batch.moments.count.data()[g], share = n > 0 ? 1 / n : 0.0;
          for (std::int64_t s = g * layout.channels; s < (g + 1) * layout.channels; ++s) {
            const double inv = inverse.data()[s];
            x_out[s] = inv * inv * sums.dy_centred.data()[s] * share;
            constant_out[s] = sums.dy.data()[s] * share;
          }
        }
        Tensor<T> dx = Tensor<T>::uninitialized(x.shape());
        kernels::combine_gradient(x.data(), dy.data(), batch.weights.data(), layout,
                                  batch.moments.mean.data(), factor.data(), of_x.data(),
                                  constant.data(), dx.mutable_data());
        b.add(0, std::move(dx));
      });
}

template <Scalar T>
Variable<T> normalize_by_given(const Variable<T>& x, const NormLayout& layout,
                               const Moments& moments, const Variable<T>& scale,
                               const Variable<T>& offset, double epsilon) {
  Tensor<T> y = normalized(x.value(), layout, moments, scale, offset, epsilon);
  return record<T>("normalize_by_given", {x, scale, offset}, std::move(y), save(x, scale),
                   [layout, moments, epsilon, offset_shape = offset.shape()](Backward<T>& b) {
                     if (b.with_graph()) {
                       return composed_given_gradient(b, layout, moments, offset_shape, epsilon);
                     }
                     const Tensor<T>&x = b.saved(0).value(), &dy = b.gradient().value();
                     const Variable<T>& scale = b.saved(1);
                     const Tensor<double> inverse = inverse_deviation(moments, layout, epsilon);
                     if (b.wants(1) || b.wants(2)) {
                       const GradientSums<T> sums(x, dy, Tensor<T>(), layout, moments);
                       sums.add_coefficient_gradients(b, layout, inverse, scale.shape(),
                                                      offset_shape);
                     }
                     if (!b.wants(0)) return;

                     const Tensor<double> factors = factors_of(inverse, scale, layout);
                     const Tensor<double> zeros(Shape{layout.groups, layout.channels}, 0.0);
                     Tensor<T> dx = Tensor<T>::uninitialized(x.shape());
                     kernels::scale_centred(dy.data(), layout, zeros.data(), factors.data(),
                                            zeros.data(), dx.mutable_data());
                     b.add(0, std::move(dx));
                   });
}

#define LAMINA_NORMALIZATION(T)                                                                  \
  template Variable<T> normalize_by_batch(const Variable<T>&, const MeasuredBatch<T>&,           \
                                          const Variable<T>&, const Variable<T>&, double);       \
  template Variable<T> normalize_by_given(const Variable<T>&, const NormLayout&, const Moments&, \
                                          const Variable<T>&, const Variable<T>&, double);
LAMINA_NORMALIZATION(float)
LAMINA_NORMALIZATION(double)
#undef LAMINA_NORMALIZATION

}  // namespace lamina
