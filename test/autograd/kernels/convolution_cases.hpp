// What the tests of convolution kernels share: operands, the results in double, and how far a
// result is from them.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/direct_convolution.hpp>
#include <lamina/autograd/kernels/instruction_set.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>
#include <string>
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

inline ConvolutionSize size_of(std::int64_t images, std::int64_t rows, std::int64_t columns,
                               std::int64_t in_channels, std::int64_t out_channels,
                               std::int64_t taps, std::array<std::int64_t, 4> padding) {
  const auto axis = [&](std::int64_t in, std::int64_t before, std::int64_t after) {
    return WindowAxis{
        .in = in, .out = in + before + after - taps + 1, .kernel = taps, .before = before};
  };
  return {.images = images,
          .rows = axis(rows, padding[0], padding[1]),
          .columns = axis(columns, padding[2], padding[3]),
          .in_channels = in_channels,
          .out_channels = out_channels,
          .exact = true};
}

inline ConvolutionSize same(std::int64_t images, std::int64_t extent, std::int64_t in_channels,
                            std::int64_t out_channels, std::int64_t taps) {
  const std::int64_t p = taps / 2;
  return size_of(images, extent, extent, in_channels, out_channels, taps, {p, p, p, p});
}

inline std::string text_of(const ConvolutionSize& size, InstructionSet level) {
  const auto axis = [](const WindowAxis& a) {
    return fmt::format("{} taps {} stride {} dilation {} padding {} -> {}", a.in, a.kernel,
                       a.stride, a.dilation, a.before, a.out);
  };
  return fmt::format("{}: {} images, rows {}, columns {}, channels {} -> {}", to_string(level),
                     size.images, axis(size.rows), axis(size.columns), size.in_channels,
                     size.out_channels);
}

// rms of the difference, relative to the rms of what is expected; NaN counts as a difference.
inline double error_of(const Tensor<float>& result, const Tensor<double>& expected) {
  double squares = 0, differences = 0;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double difference = result.data()[i] - expected.data()[i];
    differences += difference * difference;
    squares += expected.data()[i] * expected.data()[i];
  }
  return differences == 0 ? 0 : std::sqrt(differences / squares);
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

// compute(size, level, operands) against the direct method in double, on every level.
template <class Compute>
void check_against_double(const ConvolutionSize& size, double tolerance, Compute compute) {
  const Operands operands(size);
  const Results<double> expected = direct<double>(size, operands);
  for (const InstructionSet level : levels_with_kernels()) {
    BOOST_TEST_CONTEXT(text_of(size, level)) {
      const Results<float> got = compute(size, level, operands);
      BOOST_TEST(largest_error(got.y, expected.y) < tolerance);
      BOOST_TEST(largest_error(got.dx, expected.dx) < tolerance);
      BOOST_TEST(largest_error(got.dkernel, expected.dkernel) < tolerance);
    }
  }
}

// Its rms error is at most four times that of the kernels of the direct method, also where no input
// is negative, as behind a ReLU.
template <class Compute>
void check_rounding(const ConvolutionSize& size, Compute compute) {
  for (const bool rectified : {false, true}) {
    Operands operands(size);
    if (rectified) {
      float* const x = operands.x.mutable_data();
      for (std::int64_t i = 0; i < operands.x.size(); ++i) x[i] = std::max(x[i], 0.0F);
    }
    const Results<double> expected = direct<double>(size, operands);
    for (const InstructionSet level : levels_with_kernels()) {
      BOOST_TEST_CONTEXT(text_of(size, level) << (rectified ? " rectified" : "")) {
        const Results<float> plain = by_kernels(size, level, operands);
        const Results<float> got = compute(size, level, operands);
        BOOST_TEST(error_of(got.y, expected.y) < 4 * error_of(plain.y, expected.y));
        BOOST_TEST(error_of(got.dx, expected.dx) < 4 * error_of(plain.dx, expected.dx));
        BOOST_TEST(error_of(got.dkernel, expected.dkernel) <
                   4 * error_of(plain.dkernel, expected.dkernel));
      }
    }
  }
}

template <class Compute>
void check_one_and_two_threads(const ConvolutionSize& size, Compute compute) {
  const int before = threads();
  const Operands operands(size);
  for (const InstructionSet level : levels_with_kernels()) {
    BOOST_TEST_CONTEXT(text_of(size, level)) {
      Results<float> results[2];
      for (int count = 1; count <= 2; ++count) {
        set_threads(count);
        results[count - 1] = compute(size, level, operands);
      }
      BOOST_TEST(identical(results[0].y, results[1].y));
      BOOST_TEST(identical(results[0].dx, results[1].dx));
      BOOST_TEST(identical(results[0].dkernel, results[1].dkernel));
    }
  }
  set_threads(before);
}

}  // namespace lamina::kernels::test_cases
