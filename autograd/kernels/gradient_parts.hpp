// Sums of dy and of dy (x - high) by (group, channel), one set for each part of the work, added in
// the order of the parts; only the .cpp files of this folder include this.
#pragma once

#include <algorithm>
#include <cstdint>
#include <lamina/autograd/tensor/tensor.hpp>

namespace lamina::kernels {

class GradientParts {
 public:
  struct Sums {
    double* dy;
    double* product;
  };

  // The first part has its place in the result. All sums begin at 0.
  GradientParts(std::int64_t parts, std::int64_t statistics, double* sum_dy, double* sum_product)
      : statistics_(statistics),
        others_(std::max<std::int64_t>(parts - 1, 0)),
        result_{sum_dy, sum_product},
        values_(Shape{others_, 2, statistics}, 0.0),
        data_(values_.mutable_data()) {
    std::fill_n(sum_dy, statistics, 0.0);
    std::fill_n(sum_product, statistics, 0.0);
  }

  // From statistic `first` on.
  Sums at(std::int64_t part, std::int64_t first) const {
    if (part == 0) return {result_.dy + first, result_.product + first};
    double* const sums = data_ + (part - 1) * 2 * statistics_ + first;
    return {sums, sums + statistics_};
  }

  // Adds the parts; the products are then of x - mean, `high` being the mean as T.
  template <Scalar T>
  void finish(const double* mean, const T* high) const {
    for (std::int64_t part = 1; part <= others_; ++part) {
      const Sums sums = at(part, 0);
      for (std::int64_t s = 0; s < statistics_; ++s) {
        result_.dy[s] += sums.dy[s];
        result_.product[s] += sums.product[s];
      }
    }
    for (std::int64_t s = 0; s < statistics_; ++s) {
      result_.product[s] -= (mean[s] - static_cast<double>(high[s])) * result_.dy[s];
    }
  }

 private:
  std::int64_t statistics_, others_;
  Sums result_;
  Tensor<double> values_;
  double* data_;
};

}  // namespace lamina::kernels
