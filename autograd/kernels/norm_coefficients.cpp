#include <lamina/autograd/kernels/coefficient_loops.hpp>
#include <lamina/autograd/kernels/norm_coefficients.hpp>
#include <lamina/autograd/kernels/normalization_level.hpp>

namespace lamina::kernels {
namespace {

template <Scalar T>
Tensor<T> by_statistic(const NormLayout& layout) {
  return Tensor<T>::uninitialized(Shape{layout.statistics()});
}

// What of offset is left when T(mean) is subtracted instead of mean.
template <Scalar T>
T constant_of(double mean, double factor, double offset) {
  return static_cast<T>(offset - (mean - static_cast<double>(static_cast<T>(mean))) * factor);
}

}  // namespace

template <Scalar T>
CentredScaling<T>::CentredScaling(const NormLayout& layout)
    : high_(by_statistic<T>(layout)),
      factor_(by_statistic<T>(layout)),
      constant_(by_statistic<T>(layout)) {}

template <Scalar T>
CentredScaling<T>::CentredScaling(const NormLayout& layout, const double* mean,
                                  const double* factor, const double* offset)
    : CentredScaling(layout) {
  T *const high = high_.mutable_data(), *const f = factor_.mutable_data(),
           *const constant = constant_.mutable_data();
  for (std::int64_t s = 0; s < layout.statistics(); ++s) {
    high[s] = static_cast<T>(mean[s]);
    f[s] = static_cast<T>(factor[s]);
    constant[s] = constant_of<T>(mean[s], factor[s], offset[s]);
  }
}

template <Scalar T>
CentredScaling<T>::CentredScaling(const NormLayout& layout, const double* mean,
                                  const double* variance, double epsilon, const double* scale,
                                  const double* offset, double* inverse, InstructionSet level)
    : CentredScaling(layout) {
  T *const high = high_.mutable_data(), *const factor = factor_.mutable_data(),
           *const constant = constant_.mutable_data();
  auto* loop = &centred_scaling<T>;
  if constexpr (std::is_same_v<T, float>) {
    if (const auto* loops = normalization_loops(level)) loop = loops->centred_scaling;
  }
  for (std::int64_t g = 0; g < layout.groups; ++g) {
    const std::int64_t s = g * layout.channels;
    loop(layout.channels, mean + s, variance + s, epsilon, scale, offset, inverse + s, high + s,
         factor + s, constant + s);
  }
}

template <Scalar T>
CentredScaling<T> CentredScaling<T>::derivative() const {
  CentredScaling result = *this;
  result.high_ = result.constant_ = Tensor<T>(high_.shape(), T{0});
  return result;
}

template <Scalar T>
GradientScaling<T>::GradientScaling(const NormLayout& layout)
    : of_x_(by_statistic<T>(layout)), constant_(by_statistic<T>(layout)) {}

template <Scalar T>
GradientScaling<T>::GradientScaling(const NormLayout& layout, const double* mean,
                                    const double* of_x, const double* share)
    : GradientScaling(layout) {
  T *const x_out = of_x_.mutable_data(), *const constant = constant_.mutable_data();
  for (std::int64_t s = 0; s < layout.statistics(); ++s) {
    x_out[s] = static_cast<T>(of_x[s]);
    constant[s] = constant_of<T>(mean[s], of_x[s], share[s]);
  }
}

template <Scalar T>
GradientScaling<T>::GradientScaling(const NormLayout& layout, const double* mean,
                                    const double* inverse, const double* count,
                                    const double* sum_dy, const double* sum_dy_centred,
                                    InstructionSet level)
    : GradientScaling(layout) {
  T *const of_x = of_x_.mutable_data(), *const constant = constant_.mutable_data();
  auto* loop = &gradient_scaling<T>;
  if constexpr (std::is_same_v<T, float>) {
    if (const auto* loops = normalization_loops(level)) loop = loops->gradient_scaling;
  }
  for (std::int64_t g = 0; g < layout.groups; ++g) {
    const std::int64_t s = g * layout.channels;
    loop(layout.channels, mean + s, inverse + s, count[g] > 0 ? 1 / count[g] : 0.0, sum_dy + s,
         sum_dy_centred + s, of_x + s, constant + s);
  }
}

template class CentredScaling<float>;
template class CentredScaling<double>;
template class GradientScaling<float>;
template class GradientScaling<double>;

}  // namespace lamina::kernels
