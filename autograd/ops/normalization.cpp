#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/normalization.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/detail/composed_normalization.hpp>
#include <lamina/autograd/ops/normalization.hpp>
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
void require_measured(const MeasuredBatch<T>& batch) {
  const NormLayout& layout = batch.layout;
  const std::int64_t counts = batch.moments.count.size(), weights = batch.weights.size();
  if (counts != layout.groups) {
    throw ShapeError("normalize", "the batch must have one count per group; got " +
                                      std::to_string(counts) + ", expected " +
                                      std::to_string(layout.groups));
  }
  if (batch.weights.defined() && weights != layout.groups * layout.count()) {
    throw ShapeError("normalize", "the batch must have one weight per place; got " +
                                      std::to_string(weights) + ", expected " +
                                      std::to_string(layout.groups * layout.count()));
  }
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

Tensor<double> inverse_deviations(const Moments& moments, const NormLayout& layout,
                                  double epsilon) {
  const double* variance = moments.variance.data();
  return filled(layout, [=](std::int64_t s, std::int64_t) {
    return inverse_deviation(variance[s], epsilon);
  });
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
void require_all(const Shape& x, const NormLayout& layout, const Moments& moments,
                 const Variable<T>& scale, const Variable<T>& offset) {
  require_layout(x, layout);
  require_moments(moments, layout);
  require_coefficients(scale, layout, "scale");
  require_coefficients(offset, layout, "offset");
}

template <Scalar T>
Tensor<T> normalized(const Tensor<T>& x, const NormLayout& layout, const Moments& moments,
                     const Tensor<double>& inverse, const Variable<T>& scale,
                     const Variable<T>& offset) {
  const Tensor<double> factors = factors_of(inverse, scale, layout);
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
  Tensor<double> values;  // dy, then dy (x - mean), by (group, channel)
  std::int64_t count;

  GradientSums(const Tensor<T>& x, const Tensor<T>& gradient, const Tensor<T>& weights,
               const NormLayout& layout, const Moments& moments)
      : values(Tensor<double>::uninitialized(Shape{2, layout.statistics()})),
        count(layout.statistics()) {
    double* sums = values.mutable_data();
    kernels::gradient_sums(x.data(), gradient.data(), weights.data(), layout, moments.mean.data(),
                           sums, sums + count);
  }

  const double* dy() const { return values.data(); }
  const double* dy_centred() const { return values.data() + count; }

  void add_coefficient_gradients(Backward<T>& b, const NormLayout& layout,
                                 const Tensor<double>& inverse, const Shape& scale,
                                 const Shape& offset) const {
    if (b.wants(1)) {
      b.add(1, summed_over_groups<T>(layout, scale, [&](std::int64_t s) {
              return dy_centred()[s] * inverse.data()[s];
            }));
    }
    if (b.wants(2)) {
      b.add(2, summed_over_groups<T>(layout, offset, [&](std::int64_t s) { return dy()[s]; }));
    }
  }
};

}  // namespace

template <Scalar T>
Variable<T> normalize_by_batch(const Variable<T>& x, const MeasuredBatch<T>& batch,
                               const Variable<T>& scale, const Variable<T>& offset,
                               double epsilon) {
  require_measured(batch);
  require_all(x.shape(), batch.layout, batch.moments, scale, offset);
  const Tensor<double> inverse = inverse_deviations(batch.moments, batch.layout, epsilon);
  Tensor<T> y = normalized(x.value(), batch.layout, batch.moments, inverse, scale, offset);
  return record<T>(
      "normalize_by_batch", {x, scale, offset}, std::move(y), save(x, scale),
      [batch, epsilon, inverse, offset_shape = offset.shape()](Backward<T>& b) {
        if (b.with_graph()) return detail::composed_batch_gradient(b, batch, offset_shape, epsilon);
        const NormLayout& layout = batch.layout;
        const Tensor<T>&x = b.saved(0).value(), &dy = b.gradient().value();
        const Variable<T>& scale = b.saved(1);
        GradientSums<T> sums(x, dy, batch.weights, layout, batch.moments);
        sums.add_coefficient_gradients(b, layout, inverse, scale.shape(), offset_shape);
        if (!b.wants(0)) return;
        if (batch.reduction) {
          batch.reduction->sum(sums.values.mutable_values());
        } else if (layout.count() == 1 && !batch.weights.defined()) {
          // One value is its own mean: nothing depends on it, and rounding must not say otherwise.
          return b.add(0, Tensor<T>::zeros(x.shape()));
        }
        const Tensor<double> factor = factors_of(inverse, scale, layout);
        Tensor<double> of_x = per_statistic(layout), constant = per_statistic(layout);
        double *x_out = of_x.mutable_data(), *constant_out = constant.mutable_data();
        for (std::int64_t g = 0; g < layout.groups; ++g) {
          const double n = batch.moments.count.data()[g], share = n > 0 ? 1 / n : 0.0;
          for (std::int64_t s = g * layout.channels; s < (g + 1) * layout.channels; ++s) {
            const double inv = inverse.data()[s];
            x_out[s] = inv * inv * sums.dy_centred()[s] * share;
            constant_out[s] = sums.dy()[s] * share;
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
  require_all(x.shape(), layout, moments, scale, offset);
  const Tensor<double> inverse = inverse_deviations(moments, layout, epsilon);
  Tensor<T> y = normalized(x.value(), layout, moments, inverse, scale, offset);
  return record<T>(
      "normalize_by_given", {x, scale, offset}, std::move(y), save(x, scale),
      [layout, moments, epsilon, inverse, offset_shape = offset.shape()](Backward<T>& b) {
        if (b.with_graph()) {
          return detail::composed_given_gradient(b, layout, moments, offset_shape, epsilon);
        }
        const Tensor<T>&x = b.saved(0).value(), &dy = b.gradient().value();
        const Variable<T>& scale = b.saved(1);
        if (b.wants(1) || b.wants(2)) {
          const GradientSums<T> sums(x, dy, Tensor<T>(), layout, moments);
          sums.add_coefficient_gradients(b, layout, inverse, scale.shape(), offset_shape);
        }
        if (!b.wants(0)) return;

        const Tensor<double> factors = factors_of(inverse, scale, layout);
        const Tensor<double> zeros(Shape{layout.groups, layout.channels}, 0.0);
        Tensor<T> dx = Tensor<T>::uninitialized(x.shape());
        kernels::scale_centred(dy.data(), layout, zeros.data(), factors.data(), zeros.data(),
                               dx.mutable_data());
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
