// Coefficients of (x - mean) * factor + offset in the tensor's type; only the .cpp files of this folder
// include this.
//
// The mean is subtracted in two parts: (x - high) * factor + constant with high = T(mean), and what the
// rounding left of the mean in the constant. So float keeps every digit that x had.
#pragma once

#include <algorithm>
#include <cstdint>
#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

// From so many bytes on an output is not kept in the caches: it would throw out what is read next.
inline bool past_caches(std::int64_t floats) {
  constexpr std::int64_t kPastCaches = std::int64_t{12} << 20;
  return floats * std::int64_t{sizeof(float)} >= kPastCaches;
}

// A coefficient or mean by (group, channel) as T.
template <Scalar T>
Tensor<T> converted(const double* values, std::int64_t count) {
  Tensor<T> result = Tensor<T>::uninitialized(Shape{count});
  std::transform(values, values + count, result.mutable_data(),
                 [](double v) { return static_cast<T>(v); });
  return result;
}

template <Scalar T>
class ScaleValues {
 public:
  ScaleValues(std::int64_t count, const double* mean, const double* factor, const double* offset)
      : high_(converted<T>(mean, count)),
        factor_(converted<T>(factor, count)),
        constant_(Tensor<T>::uninitialized(Shape{count})) {
    T* const t = constant_.mutable_data();
    for (std::int64_t s = 0; s < count; ++s) {
      t[s] = static_cast<T>(offset[s] - (mean[s] - static_cast<double>(high()[s])) * factor[s]);
    }
  }
  const T* high() const { return high_.data(); }
  const T* factor() const { return factor_.data(); }
  const T* constant() const { return constant_.data(); }

 private:
  Tensor<T> high_, factor_, constant_;
};

}  // namespace lamina::kernels
