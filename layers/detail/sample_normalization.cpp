#include <lamina/autograd/ops/normalization.hpp>
#include <lamina/layers/detail/sample_normalization.hpp>

namespace lamina {

template <Scalar T>
Variable<T> normalize_samples(const Variable<T>& x, const NormLayout& layout, double epsilon,
                              const Affine<T>& map) {
  return normalize_by_batch(x, measure(x.value(), layout), map.scale, map.offset, epsilon);
}

// Mean 0 and variance 1 leave nothing but the coefficients of a normalization.
template <Scalar T>
Variable<T> scale_and_shift(const Variable<T>& x, const NormLayout& layout, const Affine<T>& map) {
  if (!map.scale.defined() && !map.offset.defined()) return x;
  const Shape shape{layout.groups, layout.channels};
  const Moments none{.mean = Tensor<double>::zeros(shape), .variance = Tensor<double>::ones(shape)};
  return normalize_by_given(x, layout, none, map.scale, map.offset, 0.0);
}

#define LAMINA_SAMPLE_NORMALIZATION(T)                                                  \
  template Variable<T> normalize_samples(const Variable<T>&, const NormLayout&, double, \
                                         const Affine<T>&);                             \
  template Variable<T> scale_and_shift(const Variable<T>&, const NormLayout&, const Affine<T>&);
LAMINA_SAMPLE_NORMALIZATION(float)
LAMINA_SAMPLE_NORMALIZATION(double)
#undef LAMINA_SAMPLE_NORMALIZATION

}  // namespace lamina
