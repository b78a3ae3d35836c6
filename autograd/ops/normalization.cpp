#include <lamina/autograd/kernels/normalization.hpp>
#include <lamina/autograd/kernels/pooled_normalization.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/activation.hpp>
#include <lamina/autograd/ops/detail/composed_normalization.hpp>
#include <lamina/autograd/ops/detail/gated_gradients.hpp>
#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/autograd/ops/pooling.hpp>
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

// The values of a coefficient by channel; `absent` where there is none.
template <Scalar T>
Tensor<double> by_channel(const Variable<T>& variable, const NormLayout& layout, double absent) {
  return variable.defined() ? variable.value().template cast<double>()
                            : Tensor<double>(Shape{layout.channels}, absent);
}

template <Scalar T>
void require_all(const Shape& x, const NormLayout& layout, const Moments& moments,
                 const Variable<T>& scale, const Variable<T>& offset) {
  require_layout(x, layout);
  require_moments(moments, layout);
  require_coefficients(scale, layout, "scale");
  require_coefficients(offset, layout, "offset");
}

// Of a normalization: the inverse deviations by (group, channel), and how y comes of x.
template <Scalar T>
struct Coefficients {
  Tensor<double> inverse;
  kernels::CentredScaling<T> scaling;

  Coefficients(const NormLayout& layout, const Moments& moments, double epsilon,
               const Variable<T>& scale, const Variable<T>& offset)
      : inverse(Tensor<double>::uninitialized(Shape{layout.groups, layout.channels})),
        scaling(kernels::centred_scaling<T>(layout, moments.mean.data(), moments.variance.data(),
                                            epsilon, by_channel(scale, layout, 1.0).data(),
                                            by_channel(offset, layout, 0.0).data(),
                                            inverse.mutable_data())) {}
};

// How images lie that are pooled: a plane of them has a window at least.
bool is_channels_first(const NormLayout& layout) { return layout.inner > 1; }

PoolingOptions pooling_of(const NormLayout& layout) {
  return {.layout = is_channels_first(layout) ? Layout::channels_first : Layout::channels_last};
}

Shape pooled_shape(const Shape& x, const NormLayout& layout) {
  return pool2d_output_shape(x, pooling_of(layout), "max_pool2d");
}

kernels::ImageBatch images_of(const Shape& x, const NormLayout& layout) {
  const bool channels_first = is_channels_first(layout);
  return {.images = x[0],
          .rows = x[channels_first ? 2 : 1],
          .columns = x[channels_first ? 3 : 2],
          .channels = layout.channels,
          .groups = layout.groups,
          .channels_first = channels_first};
}

// Whether image i belongs to group i modulo groups.
bool groups_are_images(const Shape& x, const NormLayout& layout) {
  const std::int64_t place = is_channels_first(layout) ? layout.inner : x[1] * x[2];
  return layout.outer * layout.groups == x[0] && layout.middle * layout.inner == place;
}

// Whether the kernels compute what comes after in the same pass.
template <Scalar T>
bool fuses(AfterNormalization after, const Shape& x, const NormLayout& layout) {
  if (after == AfterNormalization::nothing) return true;
  return kernels::can_rectify<T>() &&
         (after == AfterNormalization::relu || groups_are_images(x, layout));
}

void require_images(const Shape& x, const NormLayout& layout) {
  pooled_shape(x, layout);
  const bool fits = is_channels_first(layout)
                        ? layout.channels == x[1] && layout.inner == x[2] * x[3]
                        : layout.channels == x[3];
  if (fits) return;
  throw ShapeError("normalize",
                   "what is pooled must be normalized over the last axis, or over the second one; "
                   "got input " +
                       x.to_string() + " and " + std::to_string(layout.channels) + " channels");
}

template <Scalar T>
Tensor<T> normalized(const Tensor<T>& x, const NormLayout& layout, const Coefficients<T>& of,
                     AfterNormalization after) {
  if constexpr (std::is_same_v<T, float>) {
    if (after == AfterNormalization::relu_max_pool) {
      Tensor<T> y = Tensor<T>::uninitialized(pooled_shape(x.shape(), layout));
      kernels::pool_normalized(x.data(), images_of(x.shape(), layout), of.scaling,
                               y.mutable_data());
      return y;
    }
  }
  Tensor<T> y = Tensor<T>::uninitialized(x.shape());
  kernels::scale_centred(x.data(), layout, of.scaling, y.mutable_data(), kernels::instruction_set(),
                         after == AfterNormalization::relu);
  return y;
}

// The gradient of the normalized values, as ops on the gradient of what came after them.
template <Scalar T>
Variable<T> gradient_before(AfterNormalization after, const Variable<T>& gradient,
                            const Tensor<T>& x, const NormLayout& layout,
                            const Coefficients<T>& of) {
  if (after == AfterNormalization::nothing) return gradient;
  const Tensor<T> y = normalized(x, layout, of, AfterNormalization::relu);
  return detail::relu_gradient(after == AfterNormalization::relu
                                   ? gradient
                                   : detail::max_pool_gradient(gradient, y, pooling_of(layout)),
                               y, T{0});
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

  // Of the gradient of what came after the normalization.
  GradientSums(const Tensor<T>& x, const Tensor<T>& gradient, const Tensor<T>& weights,
               const NormLayout& layout, const Moments& moments, const Coefficients<T>& of,
               AfterNormalization after)
      : GradientSums(layout) {
    double* sums = values.mutable_data();
    const double* const mean = moments.mean.data();
    if constexpr (std::is_same_v<T, float>) {
      if (after == AfterNormalization::relu_max_pool) {
        kernels::pooled_gradient_sums(x.data(), gradient.data(), images_of(x.shape(), layout), mean,
                                      of.scaling, sums, sums + count);
        return;
      }
    }
    kernels::gradient_sums(x.data(), gradient.data(), weights.data(), layout, mean, of.scaling,
                           sums, sums + count, kernels::instruction_set(),
                           after == AfterNormalization::relu);
  }

  explicit GradientSums(const NormLayout& layout)
      : values(Tensor<double>::uninitialized(Shape{2, layout.statistics()})),
        count(layout.statistics()) {}

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

// dx from the sums over all places of the batch.
template <Scalar T>
Tensor<T> input_gradient(const Tensor<T>& x, const Tensor<T>& dy, const MeasuredBatch<T>& batch,
                         const GradientSums<T>& sums, const Coefficients<T>& of,
                         AfterNormalization after) {
  const NormLayout& layout = batch.layout;
  const auto through =
      kernels::gradient_scaling<T>(layout, batch.moments.mean.data(), of.inverse.data(),
                                   batch.moments.count.data(), sums.dy(), sums.dy_centred());
  Tensor<T> dx = Tensor<T>::uninitialized(x.shape());
  if constexpr (std::is_same_v<T, float>) {
    if (after == AfterNormalization::relu_max_pool) {
      kernels::combine_pooled_gradient(x.data(), dy.data(), images_of(x.shape(), layout),
                                       of.scaling, through, dx.mutable_data());
      return dx;
    }
  }
  kernels::combine_gradient(x.data(), dy.data(), batch.weights.data(), layout, of.scaling, through,
                            dx.mutable_data(), kernels::instruction_set(),
                            after == AfterNormalization::relu);
  return dx;
}

}  // namespace

template <Scalar T>
Variable<T> then(AfterNormalization after, const Variable<T>& y, const NormLayout& layout) {
  switch (after) {
    case AfterNormalization::relu:
      return relu(y);
    case AfterNormalization::relu_max_pool:
      return max_pool2d(relu(y), pooling_of(layout));
    case AfterNormalization::nothing:
      break;
  }
  return y;
}

template <Scalar T>
Variable<T> normalize_by_batch(const Variable<T>& x, const MeasuredBatch<T>& batch,
                               const Variable<T>& scale, const Variable<T>& offset, double epsilon,
                               AfterNormalization after) {
  require_measured(batch);
  require_all(x.shape(), batch.layout, batch.moments, scale, offset);
  if (after == AfterNormalization::relu_max_pool) require_images(x.shape(), batch.layout);
  if (!fuses<T>(after, x.shape(), batch.layout) ||
      (after != AfterNormalization::nothing && batch.weights.defined())) {
    return then(after, normalize_by_batch(x, batch, scale, offset, epsilon), batch.layout);
  }
  const Coefficients<T> of(batch.layout, batch.moments, epsilon, scale, offset);
  Tensor<T> y = normalized(x.value(), batch.layout, of, after);
  return record<T>(
      "normalize_by_batch", {x, scale, offset}, std::move(y), save(x, scale),
      [batch, epsilon, of, after, offset_shape = offset.shape()](Backward<T>& b) {
        const NormLayout& layout = batch.layout;
        const Tensor<T>& x = b.saved(0).value();
        if (b.with_graph()) {
          const Variable<T> gradient = gradient_before(after, b.gradient(), x, layout, of);
          return detail::composed_batch_gradient(b, gradient, batch, offset_shape, epsilon);
        }
        const Tensor<T>& dy = b.gradient().value();
        const Variable<T>& scale = b.saved(1);
        GradientSums<T> sums(x, dy, batch.weights, layout, batch.moments, of, after);
        sums.add_coefficient_gradients(b, layout, of.inverse, scale.shape(), offset_shape);
        if (!b.wants(0)) return;
        if (batch.reduction) {
          batch.reduction->sum(sums.values.mutable_values());
        } else if (layout.count() == 1 && !batch.weights.defined()) {
          // One value is its own mean: nothing depends on it, and rounding must not say otherwise.
          return b.add(0, Tensor<T>::zeros(x.shape()));
        }
        b.add(0, input_gradient(x, dy, batch, sums, of, after));
      });
}

template <Scalar T>
Variable<T> normalize_by_given(const Variable<T>& x, const NormLayout& layout,
                               const Moments& moments, const Variable<T>& scale,
                               const Variable<T>& offset, double epsilon,
                               AfterNormalization after) {
  require_all(x.shape(), layout, moments, scale, offset);
  if (after == AfterNormalization::relu_max_pool) require_images(x.shape(), layout);
  // What is recorded is mostly frozen: its derivative is not worth a fused form.
  const bool recorded = x.tracked() || scale.tracked() || offset.tracked();
  if (after != AfterNormalization::nothing && (recorded || !fuses<T>(after, x.shape(), layout))) {
    return then(after, normalize_by_given(x, layout, moments, scale, offset, epsilon), layout);
  }
  const Coefficients<T> of(layout, moments, epsilon, scale, offset);
  Tensor<T> y = normalized(x.value(), layout, of, after);
  return record<T>(
      "normalize_by_given", {x, scale, offset}, std::move(y), save(x, scale),
      [layout, moments, epsilon, of, offset_shape = offset.shape()](Backward<T>& b) {
        if (b.with_graph()) {
          return detail::composed_given_gradient(b, layout, moments, offset_shape, epsilon);
        }
        const Tensor<T>&x = b.saved(0).value(), &dy = b.gradient().value();
        const Variable<T>& scale = b.saved(1);
        if (b.wants(1) || b.wants(2)) {
          const GradientSums<T> sums(x, dy, Tensor<T>(), layout, moments, of,
                                     AfterNormalization::nothing);
          sums.add_coefficient_gradients(b, layout, of.inverse, scale.shape(), offset_shape);
        }
        if (!b.wants(0)) return;

        Tensor<T> dx = Tensor<T>::uninitialized(x.shape());
        kernels::scale_centred(dy.data(), layout, of.scaling.derivative(), dx.mutable_data());
        b.add(0, std::move(dx));
      });
}

#define LAMINA_NORMALIZATION(T)                                                                  \
  template Variable<T> then(AfterNormalization, const Variable<T>&, const NormLayout&);          \
  template Variable<T> normalize_by_batch(const Variable<T>&, const MeasuredBatch<T>&,           \
                                          const Variable<T>&, const Variable<T>&, double,        \
                                          AfterNormalization);                                   \
  template Variable<T> normalize_by_given(const Variable<T>&, const NormLayout&, const Moments&, \
                                          const Variable<T>&, const Variable<T>&, double,        \
                                          AfterNormalization);
LAMINA_NORMALIZATION(float)
LAMINA_NORMALIZATION(double)
#undef LAMINA_NORMALIZATION

}  // namespace lamina
