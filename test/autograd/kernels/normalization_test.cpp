#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/normalization.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <limits>
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

// The (group, channel) of element i, and its place among the weights.
std::size_t statistic_of(const NormLayout& layout, std::size_t element) {
  const auto i = static_cast<std::int64_t>(element);
  const std::int64_t c = i / layout.inner % layout.channels;
  const std::int64_t g = i / (layout.inner * layout.channels * layout.middle) % layout.groups;
  return static_cast<std::size_t>(g * layout.channels + c);
}
std::size_t place_of(const NormLayout& layout, std::size_t element) {
  const auto i = static_cast<std::int64_t>(element);
  return static_cast<std::size_t>(i / (layout.inner * layout.channels) * layout.inner +
                                  i % layout.inner);
}

// A fifth of them 0, the others in (0, 2); every group has some.
template <Scalar T>
std::vector<T> drawn_weights(const NormLayout& layout) {
  std::vector<T> weights(static_cast<std::size_t>(layout.groups * layout.count()));
  Rng(7).stream("kernel", 9).fill_uniform(std::span<T>(weights), 0, 2);
  for (std::size_t i = 1; i < weights.size(); i += 5) weights[i] = 0;
  return weights;
}

struct Sums {
  std::vector<double> count, mean, variance, dy, dy_centred;

  template <Scalar T>
  Sums(const std::vector<T>& x, const std::vector<T>& dy_values, const T* weights,
       const NormLayout& layout)
      : count(static_cast<std::size_t>(layout.groups)),
        mean(static_cast<std::size_t>(layout.statistics())),
        variance(mean),
        dy(mean),
        dy_centred(mean) {
    kernels::sum_weights(weights, layout, count.data());
    kernels::moments(x.data(), weights, layout, count.data(), mean.data(), variance.data());
    kernels::gradient_sums(x.data(), dy_values.data(), weights, layout, mean.data(), dy.data(),
                           dy_centred.data());
  }
  bool operator==(const Sums&) const = default;
};

struct Reference {
  std::vector<long double> count, mean, variance, sum_dy, sum_dy_centred;
};

template <Scalar T>
Reference reference(const std::vector<T>& x, const std::vector<T>& dy, const std::vector<T>& w,
                    const NormLayout& layout) {
  const auto n = static_cast<std::size_t>(layout.statistics());
  Reference r{std::vector<long double>(n), std::vector<long double>(n), std::vector<long double>(n),
              std::vector<long double>(n), std::vector<long double>(n)};
  const auto weight = [&](std::size_t i) {
    return static_cast<long double>(w[place_of(layout, i)]);
  };
  for (std::size_t i = 0; i < x.size(); ++i) r.count[statistic_of(layout, i)] += weight(i);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t s = statistic_of(layout, i);
    r.mean[s] += weight(i) * x[i] / r.count[s];
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t s = statistic_of(layout, i);
    const long double centred = x[i] - r.mean[s];
    r.variance[s] += weight(i) * centred * centred / r.count[s];
    r.sum_dy[s] += dy[i];
    r.sum_dy_centred[s] += dy[i] * centred;
  }
  return r;
}

template <Scalar T>
void check_against_reference(const NormLayout& layout, double mean, double tolerance) {
  const auto x = drawn<T>(layout, mean, 1, 1), dy = drawn<T>(layout, 0, 1, 2);
  for (const bool weighted : {false, true}) {
    const auto w = weighted
                       ? drawn_weights<T>(layout)
                       : std::vector<T>(x.size() / static_cast<std::size_t>(layout.channels), 1);
    const Reference expected = reference(x, dy, w, layout);
    const Sums sums(x, dy, weighted ? w.data() : nullptr, layout);
    const double scale = static_cast<double>(layout.count());
    for (std::size_t s = 0; s < sums.mean.size(); ++s) {
      const auto exact = [s](const std::vector<long double>& values) {
        return static_cast<double>(values[s]);
      };
      const std::size_t group = s / static_cast<std::size_t>(layout.channels);
      BOOST_TEST(std::abs(sums.count[group] - exact(expected.count)) <= 1e-13 * scale);
      BOOST_TEST(std::abs(sums.mean[s] - exact(expected.mean)) <=
                 1e-15 * (std::abs(exact(expected.mean)) + 1));
      BOOST_TEST(std::abs(sums.variance[s] - exact(expected.variance)) <= tolerance);
      BOOST_TEST(std::abs(sums.dy[s] - exact(expected.sum_dy)) <= 1e-13 * scale);
      BOOST_TEST(std::abs(sums.dy_centred[s] - exact(expected.sum_dy_centred)) <=
                 1e-13 * scale * (1 + std::abs(mean) * 1e-3));
    }
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
  const std::vector<double> mean = Sums(x, x, static_cast<const float*>(nullptr), layout).mean;
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
    const std::vector<double> w = drawn_weights<double>(layout);
    for (const double* weights : {static_cast<const double*>(nullptr), w.data()}) {
      kernels::combine_gradient(x.data(), dy.data(), weights, layout, mean.data(), a.data(),
                                b.data(), c.data(), dx.data());
      for (std::size_t i = 0; i < x.size(); i += 97) {
        const std::size_t s = statistic_of(layout, i);
        const double weight = weights ? w[place_of(layout, i)] : 1;
        const double through_statistics = weight * ((x[i] - mean[s]) * b[s] + c[s]);
        BOOST_TEST(std::abs(dx[i] - (dy[i] - through_statistics) * a[s]) <=
                   1e-15 * (std::abs(dy[i]) + std::abs(through_statistics)) * 8 * std::abs(a[s]));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(weights_of_one_give_the_bits_of_no_weights) {
  for (const NormLayout& layout : kLayouts) {
    const auto x = drawn<float>(layout, 3, 1, 1), dy = drawn<float>(layout, 0, 1, 2);
    const std::vector<float> ones(x.size() / static_cast<std::size_t>(layout.channels), 1);
    const Sums weighted(x, dy, ones.data(), layout);
    BOOST_TEST((weighted == Sums(x, dy, static_cast<const float*>(nullptr), layout)));
    std::vector<float> dx(x.size()), dx_weighted(x.size());
    for (auto* out : {&dx, &dx_weighted}) {
      kernels::combine_gradient(x.data(), dy.data(), out == &dx ? nullptr : ones.data(), layout,
                                weighted.mean.data(), weighted.variance.data(),
                                weighted.variance.data(), weighted.dy.data(), out->data());
    }
    BOOST_TEST((dx == dx_weighted));
  }
}

BOOST_AUTO_TEST_CASE(what_has_weight_zero_is_selected_away) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const NormLayout& layout : kLayouts) {
    auto x = drawn<float>(layout, 3, 1, 1);
    const auto dy = drawn<float>(layout, 0, 1, 2), w = drawn_weights<float>(layout);
    const Sums clean(x, dy, w.data(), layout);
    auto poisoned = x;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (w[place_of(layout, i)] == 0) poisoned[i] = i % 2 ? kInfinity : kInfinity - kInfinity;
    }
    const Sums sums(poisoned, dy, w.data(), layout);
    BOOST_TEST((sums.mean == clean.mean && sums.variance == clean.variance && sums.dy == clean.dy));
    std::vector<float> dx(x.size()), expected(x.size());
    for (auto* out : {&dx, &expected}) {
      kernels::combine_gradient(out == &dx ? poisoned.data() : x.data(), dy.data(), w.data(),
                                layout, clean.mean.data(), clean.variance.data(),
                                clean.variance.data(), clean.dy.data(), out->data());
    }
    BOOST_TEST((dx == expected));
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (w[place_of(layout, i)] == 0)
        x[i] = static_cast<float>(clean.mean[statistic_of(layout, i)]);
    }
    const Sums at_the_mean(x, dy, w.data(), layout);
    for (std::size_t s = 0; s < sums.dy_centred.size(); ++s) {
      BOOST_TEST(std::abs(sums.dy_centred[s] - at_the_mean.dy_centred[s]) <=
                 1e-6 * static_cast<double>(layout.count()));
    }
  }
}

BOOST_AUTO_TEST_CASE(an_x_without_gradient_is_not_looked_at) {
  const NormLayout layout{.outer = 5, .channels = 2};
  auto x = drawn<double>(layout, 3, 1, 1), dy = drawn<double>(layout, 0, 1, 2);
  dy[2] = dy[7] = 0;
  const std::vector<double> mean = {3, 2};
  std::vector<double> clean(4), sums(4);
  for (auto* out : {&clean, &sums}) {
    kernels::gradient_sums<double>(x.data(), dy.data(), nullptr, layout, mean.data(), out->data(),
                                   out->data() + 2);
    x[2] = x[7] = std::numeric_limits<double>::quiet_NaN();
  }
  BOOST_TEST(clean == sums, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(nothing_has_zero_statistics) {
  const std::vector<float> x = {1, 2, 3}, zero(1);
  for (const NormLayout& layout : {NormLayout{.outer = 0, .channels = 3}, {.channels = 3}}) {
    const Sums sums(x, x, layout.outer == 0 ? nullptr : zero.data(), layout);
    BOOST_TEST(sums.count == std::vector<double>(1, 0), boost::test_tools::per_element());
    BOOST_TEST(sums.mean == std::vector<double>(3, 0), boost::test_tools::per_element());
    BOOST_TEST(sums.variance == std::vector<double>(3, 0), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(two_threads_give_the_same_bits) {
  for (const NormLayout& layout : kLayouts) {
    const auto x = drawn<float>(layout, 0.5, 1, 1), dy = drawn<float>(layout, 0, 1, 2);
    const auto w = drawn_weights<float>(layout);
    for (const float* weights : {static_cast<const float*>(nullptr), w.data()}) {
      set_threads(1);
      const Sums one(x, dy, weights, layout);
      set_threads(2);
      BOOST_TEST((one == Sums(x, dy, weights, layout)));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina
