// What the tests of convolution kernels share: operands, the results in double, and how far a
// result is from them.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/direct_convolution.hpp>
#include <lamina/autograd/kernels/instruction_set.hpp>
#include <limits>
#include <vector>

#include "support/levels.hpp"
#include "support/numbers.hpp"

namespace lamina::kernels::test_cases {

using test::levels_with_kernels;

template <Scalar T>
struct Results {
  Tensor<T> y, dx, dkernel;
};

struct Operands {
  explicit Operands(const ConvolutionSize& size)
      : x(test::random_tensor<float>({size.images, size.rows.in, size.columns.in, size.in_channels},
                                     1)),
        kernel(test::random_tensor<float>(
            {size.rows.kernel, size.columns.kernel, size.in_channels, size.out_channels}, 2)),
        dy(test::random_tensor<float>(
            {size.images, size.rows.out, size.columns.out, size.out_channels}, 3)) {}
  Tensor<float> x, kernel, dy;
};

template <Scalar T>
Results<T> blank(const Operands& o) {
  // What is not written stays NaN, and is found.
  const T nan = std::numeric_limits<T>::quiet_NaN();
  return {Tensor<T>(o.dy.shape(), nan), Tensor<T>(o.x.shape(), nan),
          Tensor<T>(o.kernel.shape(), nan)};
}

template <Scalar T>
Results<T> direct(const ConvolutionSize& size, const Operands& o) {
  Results<T> r = blank<T>(o);
  const Tensor<T> x = o.x.cast<T>(), kernel = o.kernel.cast<T>(), dy = o.dy.cast<T>();
  convolution<T>(size, x.data(), kernel.data(), r.y.mutable_data());
  convolution_input_gradient<T>(size, dy.data(), kernel.data(), r.dx.mutable_data());
  convolution_weight_gradient<T>(size, x.data(), dy.data(), r.dkernel.mutable_data());
  return r;
}

// By the kernels of the direct method.
inline Results<float> by_kernels(const ConvolutionSize& size, InstructionSet level,
                                 const Operands& o) {
  Results<float> r = blank<float>(o);
  const DirectConvolution* const kernels = direct_kernels(size, level);
  BOOST_REQUIRE(kernels != nullptr);
  direct_convolution(*kernels, size, o.x.data(), o.kernel.data(), r.y.mutable_data());
  direct_input_gradient(*kernels, size, o.dy.data(), o.kernel.data(), r.dx.mutable_data());
  direct_weight_gradient(*kernels, size, o.x.data(), o.dy.data(), r.dkernel.mutable_data());
  return r;
}

// The largest difference, relative to the rms of what is expected: a wrong element in a large
// tensor must not hide in the mean.
inline double largest_error(const Tensor<float>& result, const Tensor<double>& expected) {
  double squares = 0, largest = 0;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(result.data()[i] - expected.data()[i]);
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
    squares += expected.data()[i] * expected.data()[i];
  }
  return largest == 0 ? 0 : largest / std::sqrt(squares / static_cast<double>(expected.size()));
}

}  // namespace lamina::kernels::test_cases
