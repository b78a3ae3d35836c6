// Small helpers of numeric tests: seeded tensors and comparisons.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <lamina/autograd/tensor/tensor.hpp>
#include <random>
#include <string>

namespace lamina::test {

// Uniform in [low, high), the same for the same seed.
template <Scalar T>
Tensor<T> random_tensor(const Shape& shape, std::uint64_t seed, double low = -1, double high = 1) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> distribution(low, high);
  Tensor<T> result = Tensor<T>::uninitialized(shape);
  for (T& value : result.mutable_values()) value = static_cast<T>(distribution(engine));
  return result;
}

// |computed - expected| <= tolerance max(1, |expected|) for every element; NaN equals NaN.
template <Element T>
void check_close(const std::string& what, const Tensor<T>& computed, const Tensor<T>& expected,
                 double tolerance) {
  BOOST_TEST_CONTEXT(what) {
    BOOST_REQUIRE_EQUAL(computed.shape().to_string(), expected.shape().to_string());
    for (std::int64_t i = 0; i < expected.size(); ++i) {
      const auto c = static_cast<double>(computed.data()[i]);
      const auto e = static_cast<double>(expected.data()[i]);
      if (std::isnan(e) && std::isnan(c)) continue;
      const bool close = c == e || std::abs(c - e) <= tolerance * std::max(1.0, std::abs(e));
      if (close) continue;
      BOOST_ERROR("element " << i << ": " << c << ", expected " << e);
      return;
    }
  }
}

}  // namespace lamina::test
