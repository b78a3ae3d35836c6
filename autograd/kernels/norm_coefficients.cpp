#include <algorithm>
#include <lamina/autograd/kernels/coefficient_loops.hpp>
#include <lamina/autograd/kernels/norm_coefficients.hpp>
#include <lamina/autograd/kernels/normalization_level.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {
namespace {

template <Scalar T>
Tensor<T> by_statistic(const NormLayout& layout) {
  return Tensor<T>::uninitialized(Shape{layout.statistics()});
}

// body(g) for every group: small ghost batches have so many that they are worth a second thread.
template <class Body>
void for_groups(const NormLayout& layout, Body&& body) {
  constexpr std::int64_t job_statistics = 8192;  // some 20 us
  const std::int64_t jobs = std::clamp<std::int64_t>(layout.statistics() / job_statistics, 1,
                                                     std::max<std::int64_t>(layout.groups, 1));
  parallel_for(jobs, [&](std::int64_t job) {
    const std::int64_t last = layout.groups * (job + 1) / jobs;
    for (std::int64_t g = layout.groups * job / jobs; g < last; ++g) body(g);
  });
}

}  // namespace

template <Scalar T>
CentredScaling<T> centred_scaling(const NormLayout& layout, const double* mean,
                                  const double* variance, double epsilon, const double* scale,
                                  const double* offset, double* inverse, InstructionSet level) {
  CentredScaling<T> result{by_statistic<T>(layout), by_statistic<T>(layout),
                           by_statistic<T>(layout)};
  T *const high = result.high.mutable_data(), *const factor = result.factor.mutable_data(),
           *const constant = result.constant.mutable_data();
  auto* loop = &fill_centred_scaling<T>;
  if constexpr (std::is_same_v<T, float>) {
    if (const auto* loops = normalization_loops(level)) loop = loops->fill_centred_scaling;
  }
  for_groups(layout, [&](std::int64_t g) {
    const std::int64_t s = g * layout.channels;
    loop(layout.channels, mean + s, variance + s, epsilon, scale, offset, inverse + s, high + s,
         factor + s, constant + s);
  });
  return result;
}

template <Scalar T>
GradientScaling<T> gradient_scaling(const NormLayout& layout, const double* mean,
                                    const double* inverse, const double* count,
                                    const double* sum_dy, const double* sum_dy_centred,
                                    InstructionSet level) {
  GradientScaling<T> result{by_statistic<T>(layout), by_statistic<T>(layout)};
  T *const of_x = result.of_x.mutable_data(), *const constant = result.constant.mutable_data();
  auto* loop = &fill_gradient_scaling<T>;
  if constexpr (std::is_same_v<T, float>) {
    if (const auto* loops = normalization_loops(level)) loop = loops->fill_gradient_scaling;
  }
  for_groups(layout, [&](std::int64_t g) {
    const std::int64_t s = g * layout.channels;
    loop(layout.channels, mean + s, inverse + s, count[g] > 0 ? 1 / count[g] : 0.0, sum_dy + s,
         sum_dy_centred + s, of_x + s, constant + s);
  });
  return result;
}

#define LAMINA_COEFFICIENTS(T)                                                                  \
  template CentredScaling<T> centred_scaling(const NormLayout&, const double*, const double*,   \
                                             double, const double*, const double*, double*,     \
                                             InstructionSet);                                   \
  template GradientScaling<T> gradient_scaling(const NormLayout&, const double*, const double*, \
                                               const double*, const double*, const double*,     \
                                               InstructionSet);
LAMINA_COEFFICIENTS(float)
LAMINA_COEFFICIENTS(double)
#undef LAMINA_COEFFICIENTS

}  // namespace lamina::kernels
