#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/normalization.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <vector>

namespace lamina {
namespace {

// Extents all different; one row per case of the table in norm_layout.hpp, and the small ones.
const std::vector<NormLayout> kLayouts = {
    {.outer = 17, .channels = 5},
    {.outer = 3, .channels = 5, .inner = 19},
    {.outer = 3, .middle = 11, .channels = 7},
    {.outer = 2, .groups = 3, .channels = 5},
    {.outer = 2, .groups = 3, .middle = 7, .channels = 5, .inner = 13},
    {.channels = 4},
    {.outer = 1, .channels = 1},
    {.outer = 41, .middle = 53, .channels = 37},
    {.outer = 5, .channels = 3, .inner = 33000},
};

template <Scalar T>
std::vector<T> drawn(const NormLayout& layout, double mean, double deviation, int path) {
  std::vector<T> values(static_cast<std::size_t>(layout.size()));
  Rng(7).stream("kernel", path).fill_normal(std::span<T>(values), mean, deviation);
  return values;
}

struct Reference {
  std::vector<long double> mean, variance, sum_dy, sum_dy_centred;
};

template <Scalar T>
Reference reference(const std::vector<T>& x, const std::vector<T>& dy, const NormLayout& layout) {
  const auto n = static_cast<std::size_t>(layout.statistics());
  Reference r{std::vector<long double>(n), std::vector<long double>(n), std::vector<long double>(n),
              std::vector<long double>(n)};
  const auto statistic = [&](std::int64_t i) {
    const std::int64_t c = i / layout.inner % layout.channels;
    const std::int64_t g = i / (layout.inner * layout.channels * layout.middle) % layout.groups;
    return static_cast<std::size_t>(g * layout.channels + c);
  };
  const auto count = static_cast<long double>(layout.count());
  for (std::int64_t i = 0; i < layout.size(); ++i) r.mean[statistic(i)] += x[i] / count;
  for (std::int64_t i = 0; i < layout.size(); ++i) {
    const long double centred = x[i] - r.mean[statistic(i)];
    r.variance[statistic(i)] += centred * centred / count;
    r.sum_dy[statistic(i)] += dy[i];
    r.sum_dy_centred[statistic(i)] += dy[i] * centred;
  }
  return r;
}

template <Scalar T>
void check_against_reference(const NormLayout& layout, double mean, double tolerance) {
  const auto x = drawn<T>(layout, mean, 1, 1), dy = drawn<T>(layout, 0, 1, 2);
  const Reference expected = reference(x, dy, layout);
  const auto n = static_cast<std::size_t>(layout.statistics());
  std::vector<double> m(n), v(n), s1(n), s2(n);
  kernels::moments(x.data(), layout, m.data(), v.data());
  kernels::gradient_sums(x.data(), dy.data(), layout, m.data(), s1.data(), s2.data());
  const double scale = static_cast<double>(layout.count());
  for (std::size_t s = 0; s < n; ++s) {
    const double exact_mean = static_cast<double>(expected.mean[s]);
    BOOST_TEST(std::abs(m[s] - exact_mean) <= 1e-15 * (std::abs(exact_mean) + 1));
    BOOST_TEST(std::abs(v[s] - static_cast<double>(expected.variance[s])) <= tolerance);
    BOOST_TEST(std::abs(s1[s] - static_cast<double>(expected.sum_dy[s])) <= 1e-13 * scale);
    BOOST_TEST(std::abs(s2[s] - static_cast<double>(expected.sum_dy_centred[s])) <=
               1e-13 * scale * (1 + std::abs(mean) * 1e-3));
  }
}

BOOST_AUTO_TEST_SUITE(normalization_kernels)

BOOST_AUTO_TEST_CASE(sums_agree_with_a_naive_form_in_every_layout) {
  for (const NormLayout& layout : kLayouts) {
    check_against_reference<double>(layout, 0.5, 1e-12);
    check_against_reference<float>(layout, 0.5, 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(a_mean_of_a_million_deviations_costs_no_digits) {
  for (const NormLayout& layout : kLayouts) {
    check_against_reference<double>(layout, 1e6, 1e-9);
    check_against_reference<float>(layout, 1e6, 1e-9);
  }
}

BOOST_AUTO_TEST_CASE(scaling_keeps_every_digit_that_the_input_had) {
  const NormLayout layout{.outer = 64, .channels = 3, .inner = 5};
  const auto x = drawn<float>(layout, 1e6, 1, 3);
  std::vector<double> mean(3), variance(3);
  kernels::moments(x.data(), layout, mean.data(), variance.data());
  const std::vector<double> scale = {0.5, -2, 3}, offset = {0, 1, -7};
  std::vector<float> y(x.size());
  kernels::scale_centred(x.data(), layout, mean.data(), scale.data(), offset.data(), y.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i / 5 % 3;
    const double exact = (static_cast<double>(x[i]) - mean[c]) * scale[c] + offset[c];
    BOOST_TEST(std::abs(y[i] - exact) <= 4e-7 * (std::abs(scale[c]) + std::abs(exact)));
  }
}

BOOST_AUTO_TEST_CASE(the_gradient_is_combined_element_by_element) {
  for (const NormLayout& layout : kLayouts) {
    const auto x = drawn<double>(layout, 2, 1, 4), dy = drawn<double>(layout, 0, 1, 5);
    const auto n = static_cast<std::size_t>(layout.statistics());
    std::vector<double> mean(n), a(n), b(n), c(n), dx(x.size());
    for (std::size_t s = 0; s < n; ++s) {
      const auto k = static_cast<double>(s);
      mean[s] = 1 + 0.25 * k, a[s] = 2 - k, b[s] = 0.5 * k, c[s] = k * k;
    }
    kernels::combine_gradient(x.data(), dy.data(), layout, mean.data(), a.data(), b.data(),
                              c.data(), dx.data());
    for (std::size_t i = 0; i < x.size(); i += 97) {
      const auto index = static_cast<std::int64_t>(i);
      const std::int64_t channel = index / layout.inner % layout.channels;
      const std::int64_t group =
          index / (layout.inner * layout.channels * layout.middle) % layout.groups;
      const auto s = static_cast<std::size_t>(group * layout.channels + channel);
      BOOST_TEST(dx[i] == dy[i] * a[s] + ((x[i] - mean[s]) * b[s] + c[s]),
                 boost::test_tools::tolerance(1e-14));
    }
  }
}

BOOST_AUTO_TEST_CASE(an_empty_tensor_has_zero_statistics) {
  const NormLayout layout{.outer = 0, .channels = 3};
  const float nothing = 0;
  std::vector<double> mean(3, 1), variance(3, 1);
  kernels::moments(&nothing, layout, mean.data(), variance.data());
  BOOST_TEST(mean == std::vector<double>(3, 0), boost::test_tools::per_element());
  BOOST_TEST(variance == std::vector<double>(3, 0), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(two_threads_give_the_same_bits) {
  for (const NormLayout& layout : kLayouts) {
    const auto x = drawn<float>(layout, 0.5, 1, 1), dy = drawn<float>(layout, 0, 1, 2);
    const auto n = static_cast<std::size_t>(layout.statistics());
    std::vector<double> results[2];
    for (const int count : {1, 2}) {
      set_threads(count);
      std::vector<double>& r = results[count - 1];
      r.resize(4 * n);
      kernels::moments(x.data(), layout, r.data(), r.data() + n);
      kernels::gradient_sums(x.data(), dy.data(), layout, r.data(), r.data() + 2 * n,
                             r.data() + 3 * n);
    }
    BOOST_TEST(results[0] == results[1], boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
