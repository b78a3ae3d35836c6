#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/moments.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>
#include <type_traits>

#include "support/levels.hpp"
#include "support/normalization_cases.hpp"

namespace lamina::test {
namespace {

template <Scalar T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();

struct Computed {
  std::vector<double> count, mean, variance;

  template <Scalar T>
  Computed(const std::vector<T>& x, const std::vector<T>& weights, const NormLayout& layout,
           kernels::InstructionSet level = kernels::instruction_set())
      : count(static_cast<std::size_t>(layout.groups)),
        mean(static_cast<std::size_t>(layout.statistics())),
        variance(mean) {
    kernels::moments(x.data(), weights.empty() ? nullptr : weights.data(), layout, count.data(),
                     mean.data(), variance.data(), level);
  }
  bool operator==(const Computed&) const = default;
};

struct Exact {
  std::vector<long double> count, mean, variance;  // by (group, channel)

  template <Scalar T>
  Exact(const std::vector<T>& x, const std::vector<T>& weights, const NormLayout& layout)
      : count(static_cast<std::size_t>(layout.statistics())), mean(count), variance(count) {
    const auto each = [&](auto function) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        const T w = weights.empty() ? T{1} : weights[place_of(layout, i)];
        if (w != 0) function(statistic_of(layout, i), static_cast<long double>(w), x[i]);
      }
    };
    each([&](std::size_t s, long double w, T) { count[s] += w; });
    each([&](std::size_t s, long double w, T v) { mean[s] += w * v / count[s]; });
    each([&](std::size_t s, long double w, T v) {
      variance[s] += w * (v - mean[s]) * (v - mean[s]) / count[s];
    });
  }
};

// The precision that is promised, relative to the deviation, as long as that is a millionth of the
// mean; the mean's own rounding comes on top.
template <Scalar T>
constexpr double kPrecision = std::is_same_v<T, float> ? 1e-6 : 1e-12;

template <Scalar T>
void check(const Computed& computed, const Exact& exact, const NormLayout& layout) {
  for (std::size_t s = 0; s < computed.mean.size(); ++s) {
    const auto mean = static_cast<double>(exact.mean[s]);
    const auto variance = static_cast<double>(exact.variance[s]);
    const auto count = static_cast<double>(exact.count[s]);
    BOOST_TEST(computed.count[s / static_cast<std::size_t>(layout.channels)] == count,
               boost::test_tools::tolerance(1e-12));
    const double deviation = std::max(std::sqrt(variance), 1e-6 * std::abs(mean));
    BOOST_TEST(std::abs(computed.mean[s] - mean) <=
               kPrecision<T> * deviation + 1e-15 * std::abs(mean));
    BOOST_TEST(std::abs(computed.variance[s] - variance) <= kPrecision<T> * deviation * deviation);
  }
}

// On every level of the machine.
template <Scalar T>
void check(const std::vector<T>& x, const std::vector<T>& weights, const NormLayout& layout) {
  const Exact exact(x, weights, layout);
  for (const kernels::InstructionSet level : levels_here()) {
    BOOST_TEST_CONTEXT(kernels::to_string(level)) {
      check<T>(Computed(x, weights, layout, level), exact, layout);
    }
  }
}

template <Scalar T>
void check_all_layouts(double mean) {
  for (const NormLayout& layout : kNormLayouts) {
    const auto x = drawn<T>(layout, mean, 1, 1);
    check<T>(x, {}, layout);
    check(x, drawn_weights<T>(layout), layout);
  }
}

// Values of two periods, so that the sums over n of them are known from one common period.
template <Scalar T>
void check_ten_million(const NormLayout& layout, bool weighted) {
  constexpr std::size_t kPeriod = 56 * 7, kCount = kPeriod * 25512;  // 1.00007e7
  std::vector<T> x(kCount), weights(weighted ? kCount : 0);
  for (std::size_t i = 0; i < kCount; ++i)
    x[i] = static_cast<T>(1e6 + static_cast<double>(i % 56) / 16);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<T>(i % 7);
  const std::vector<T> x_once(x.begin(), x.begin() + kPeriod);
  const std::vector<T> weights_once(weights.begin(), weights.begin() + (weighted ? kPeriod : 0));
  const Exact exact(x_once, weights_once, {.outer = kPeriod});
  const Computed computed(x, weights, layout);
  BOOST_TEST(computed.count[0] == static_cast<double>(exact.count[0]) * (kCount / kPeriod));
  BOOST_TEST(computed.mean[0] == static_cast<double>(exact.mean[0]),
             boost::test_tools::tolerance(1e-15));
  BOOST_TEST(computed.variance[0] == static_cast<double>(exact.variance[0]),
             boost::test_tools::tolerance(kPrecision<T>));
}

using Types = std::tuple<float, double>;

BOOST_AUTO_TEST_SUITE(moments_kernel)

BOOST_AUTO_TEST_CASE_TEMPLATE(agree_with_a_naive_form_in_every_layout, T, Types) {
  check_all_layouts<T>(0.5);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_mean_of_a_million_deviations_costs_no_digits, T, Types) {
  check_all_layouts<T>(1e6);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_value_and_two, T, Types) {
  const std::vector<T> x = {T(1000000.5), T(-3), T(1000002), T(5)};
  const Computed one(x, {}, {.channels = 4});
  BOOST_TEST(one.mean == std::vector<double>(x.begin(), x.end()), boost::test_tools::per_element());
  BOOST_TEST(one.variance == std::vector<double>(4, 0), boost::test_tools::per_element());
  const Computed two(x, {}, {.outer = 2, .channels = 2});
  BOOST_TEST(two.mean == (std::vector<double>{1000001.25, 1}), boost::test_tools::per_element());
  BOOST_TEST(two.variance == (std::vector<double>{0.5625, 16}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(ten_million_values, T, Types) {
  constexpr std::int64_t kCount = 56 * 7 * 25512;
  for (const bool weighted : {false, true}) {
    check_ten_million<T>({.outer = kCount}, weighted);
    check_ten_million<T>({.outer = 392, .inner = kCount / 392}, weighted);
  }
}

// A shift that came from the first values would lose what the others have.
BOOST_AUTO_TEST_CASE_TEMPLATE(outliers_in_front_cost_no_digits, T, Types) {
  for (const NormLayout layout :
       {NormLayout{.outer = 5000, .channels = 3}, {.channels = 3, .inner = 5000}}) {
    auto x = drawn<T>(layout, 3, 1, 1);
    for (std::size_t i = 0; i < x.size(); i += 5000) {
      for (std::size_t k = 0; k < 40; ++k) x[i + k] += T(1e4);
    }
    check<T>(x, {}, layout);
    check(x, drawn_weights<T>(layout), layout);
  }
}

// Squares of these overflow or vanish in float.
BOOST_AUTO_TEST_CASE(values_at_the_ends_of_the_range) {
  for (const NormLayout layout :
       {NormLayout{.outer = 50, .channels = 5}, {.channels = 5, .inner = 50}}) {
    for (const double magnitude : {1e-30, 1e-22, 1e-15, 1e15, 1e22, 1e37}) {
      auto x = drawn<float>(layout, 0.5 * magnitude, magnitude, 1);
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (statistic_of(layout, i) == 1) x[i] = static_cast<float>(x[i] / magnitude);
        if (statistic_of(layout, i) == 2) x[i] = 0;
      }
      check<float>(x, {}, layout);
      check(x, drawn_weights<float>(layout), layout);
    }
  }
}

// Squares of these vanish in float, and their sum is exactly 0.
BOOST_AUTO_TEST_CASE(values_that_cancel_are_not_taken_for_equal) {
  for (const NormLayout layout :
       {NormLayout{.outer = 48, .channels = 5}, {.channels = 5, .inner = 48}}) {
    std::vector<float> x(240);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t k = layout.inner > 1 ? i : i / 5;
      x[i] = k % 2 ? 1e-30F : -1e-30F;
    }
    check<float>(x, {}, layout);
    check(x, std::vector<float>(48, 0.5F), layout);
  }
}

// 0, not what rounding makes of it: with epsilon = 0 that would be divided by.
BOOST_AUTO_TEST_CASE_TEMPLATE(equal_values_have_no_variance, T, Types) {
  for (const kernels::InstructionSet level : levels_here())
    for (const NormLayout& layout : kNormLayouts) {
      for (const double value : {0.1, -1.0 / 3, 1e6 / 7, 3e-5, 0.0}) {
        const std::vector<T> x(static_cast<std::size_t>(layout.size()), static_cast<T>(value));
        for (const auto& weights : {std::vector<T>(), drawn_weights<T>(layout)}) {
          const Computed computed(x, weights, layout, level);
          for (std::size_t s = 0; s < computed.mean.size(); ++s) {
            BOOST_TEST(computed.variance[s] == 0);
            if (computed.count[s / static_cast<std::size_t>(layout.channels)] == 0) continue;
            BOOST_TEST(computed.mean[s] == static_cast<double>(static_cast<T>(value)),
                       boost::test_tools::tolerance(1e-13));
          }
        }
      }
    }
}

// One of a thousand differs by its last bit.
BOOST_AUTO_TEST_CASE_TEMPLATE(the_least_variance_is_not_taken_for_none, T, Types) {
  for (const NormLayout layout :
       {NormLayout{.outer = 1000, .channels = 2}, {.channels = 2, .inner = 1000}}) {
    std::vector<T> x(2000, T(0.1));
    x[0] = std::nextafter(x[0], T{1});
    const double ulp = static_cast<double>(x[0]) - static_cast<double>(x[1]);
    const Computed computed(x, {}, layout);
    BOOST_TEST(computed.variance[0] == ulp * ulp * 0.001 * 0.999,
               boost::test_tools::tolerance(0.01));
    BOOST_TEST(computed.variance[1] == 0);
  }
}

// Squares of the means overflow, or vanish.
BOOST_AUTO_TEST_CASE(equal_values_at_the_ends_of_the_range) {
  for (const double value : {1e300, 1e-300}) {
    const Computed equal(std::vector<double>(60, value), {}, {.outer = 20, .channels = 3});
    BOOST_TEST(equal.variance == std::vector<double>(3, 0), boost::test_tools::per_element());
  }
  const Computed differing(std::vector<double>{1e300, 2e300}, {}, {.outer = 2});
  BOOST_TEST(!(differing.variance[0] < 1e300));
}

// Where groups are ghost batches of single rows they are cut in another way, and agree to rounding.
BOOST_AUTO_TEST_CASE(weights_of_one_give_the_bits_of_no_weights) {
  for (const kernels::InstructionSet level : levels_here())
    for (const NormLayout& layout : kNormLayouts) {
      if (layout.groups > 1 && layout.middle == 1) continue;
      const auto x = drawn<float>(layout, 3, 1, 1);
      const std::vector<float> ones(x.size() / static_cast<std::size_t>(layout.channels), 1);
      BOOST_TEST((Computed(x, ones, layout, level) == Computed(x, {}, layout, level)));
    }
}

BOOST_AUTO_TEST_CASE(what_has_weight_zero_is_selected_away) {
  for (const kernels::InstructionSet level : levels_here())
    for (const NormLayout& layout : kNormLayouts) {
      auto x = drawn<float>(layout, 3, 1, 1);
      const auto w = drawn_weights<float>(layout);
      const Computed clean(x, w, layout, level);
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (w[place_of(layout, i)] == 0) x[i] = i % 2 ? kNan<float> : 1 / 0.0f;
      }
      BOOST_TEST((Computed(x, w, layout, level) == clean));
    }
}

BOOST_AUTO_TEST_CASE(weights_may_differ_by_magnitudes) {
  const NormLayout layout{.outer = 1000, .channels = 3};
  auto x = drawn<double>(layout, 3, 1, 1), w = drawn_weights<double>(layout);
  for (std::size_t i = 0; i < 100; ++i) {
    w[i] = 1e-8;
    x[3 * i] += 1e3;
  }
  check(x, w, layout);
}

BOOST_AUTO_TEST_CASE(a_value_that_is_not_finite_spoils_its_own_statistic) {
  for (const kernels::InstructionSet level : levels_here())
    for (const NormLayout& layout : kNormLayouts) {
      auto x = drawn<float>(layout, 3, 1, 1);
      const std::size_t poisoned = x.size() / 2, s = statistic_of(layout, poisoned);
      x[poisoned] = kNan<float>;
      const Computed computed(x, {}, layout, level);
      for (std::size_t i = 0; i < computed.mean.size(); ++i) {
        BOOST_TEST(std::isnan(computed.mean[i]) == (i == s));
        BOOST_TEST(std::isnan(computed.variance[i]) == (i == s));
      }
    }
}

BOOST_AUTO_TEST_CASE(nothing_has_zero_statistics) {
  const std::vector<float> x = {1, 2, 3};
  for (const auto& [layout, weights] :
       {std::pair(NormLayout{.outer = 0, .channels = 3}, std::vector<float>()),
        std::pair(NormLayout{.channels = 3}, std::vector<float>{0}),
        std::pair(NormLayout{.inner = 3}, std::vector<float>{0, 0, 0})}) {
    const Computed computed(x, weights, layout);
    for (const auto* values : {&computed.count, &computed.mean, &computed.variance}) {
      for (const double value : *values) BOOST_TEST(value == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(two_threads_give_the_same_bits) {
  for (const kernels::InstructionSet level : levels_here())
    for (const NormLayout& layout : kNormLayouts) {
      const auto x = drawn<float>(layout, 0.5, 1, 1);
      for (const auto& weights : {std::vector<float>(), drawn_weights<float>(layout)}) {
        set_threads(1);
        const Computed one(x, weights, layout, level);
        set_threads(2);
        BOOST_TEST((one == Computed(x, weights, layout, level)));
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
