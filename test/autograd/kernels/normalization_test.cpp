#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/normalization.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <limits>

#include "support/norm_coefficients.hpp"
#include "support/normalization_cases.hpp"

namespace lamina::test {
namespace {

// Coefficients of y that are all those of `values`.
template <Scalar T>
kernels::CentredScaling<T> scaling(const NormLayout& layout, const std::vector<double>& values) {
  return scaling_of<T>(layout, values.data(), values.data(), values.data());
}
template <Scalar T>
kernels::GradientScaling<T> gradient_scaling(const NormLayout& layout,
                                             const std::vector<double>& values) {
  return gradient_scaling_of<T>(layout, values.data(), values.data(), values.data());
}

struct Sums {
  std::vector<double> dy, dy_centred;

  template <Scalar T>
  Sums(const std::vector<T>& x, const std::vector<T>& gradient, const std::vector<T>& weights,
       const NormLayout& layout, const std::vector<double>& mean)
      : dy(mean.size()), dy_centred(mean.size()) {
    kernels::gradient_sums(x.data(), gradient.data(), weights.empty() ? nullptr : weights.data(),
                           layout, mean.data(), scaling<T>(layout, mean), dy.data(),
                           dy_centred.data());
  }
  bool operator==(const Sums&) const = default;
};

std::vector<double> means_near(const NormLayout& layout, double mean) {
  std::vector<double> means(static_cast<std::size_t>(layout.statistics()));
  for (std::size_t s = 0; s < means.size(); ++s) means[s] = mean + 0.3 / static_cast<double>(s + 3);
  return means;
}

// In float the terms and the sums of a block are rounded, but never the mean.
template <Scalar T>
void check_sums(const NormLayout& layout, double mean) {
  const auto x = drawn<T>(layout, mean, 1, 1), dy = drawn<T>(layout, 0, 1, 2);
  const std::vector<double> means = means_near(layout, mean);
  std::vector<long double> sum_dy(means.size()), sum_dy_centred(means.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t s = statistic_of(layout, i);
    sum_dy[s] += dy[i];
    sum_dy_centred[s] += dy[i] * (static_cast<long double>(x[i]) - means[s]);
  }
  const double tolerance =
      4 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::sqrt(layout.count() + 1);
  for (const auto& weights : {std::vector<T>(), drawn_weights<T>(layout)}) {
    const Sums sums(x, dy, weights, layout, means);
    for (std::size_t s = 0; s < means.size(); ++s) {
      BOOST_TEST(std::abs(sums.dy[s] - static_cast<double>(sum_dy[s])) <= tolerance);
      BOOST_TEST(std::abs(sums.dy_centred[s] - static_cast<double>(sum_dy_centred[s])) <=
                 tolerance);
    }
  }
}

BOOST_AUTO_TEST_SUITE(normalization_kernels)

BOOST_AUTO_TEST_CASE(sums_agree_with_a_naive_form_in_every_layout) {
  for (const NormLayout& layout : kNormLayouts) {
    for (const double mean : {0.5, 1e6}) {
      check_sums<double>(layout, mean);
      check_sums<float>(layout, mean);
    }
  }
}

BOOST_AUTO_TEST_CASE(scaling_keeps_every_digit_that_the_input_had) {
  const NormLayout layout{.outer = 64, .channels = 3, .inner = 5};
  const auto x = drawn<float>(layout, 1e6, 1, 3);
  const std::vector<double> mean = means_near(layout, 1e6);
  const std::vector<double> scale = {0.5, -2, 3}, offset = {0, 1, -7};
  std::vector<float> y(x.size());
  kernels::scale_centred<float>(x.data(), layout,
                                scaling_of<float>(layout, mean.data(), scale.data(), offset.data()),
                                y.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i / 5 % 3;
    const double exact = (static_cast<double>(x[i]) - mean[c]) * scale[c] + offset[c];
    BOOST_TEST(std::abs(y[i] - exact) <= 4e-7 * (std::abs(scale[c]) + std::abs(exact)));
  }
}

BOOST_AUTO_TEST_CASE(the_gradient_is_combined_element_by_element) {
  for (const NormLayout& layout : kNormLayouts) {
    const auto x = drawn<double>(layout, 2, 1, 4), dy = drawn<double>(layout, 0, 1, 5);
    const auto n = static_cast<std::size_t>(layout.statistics());
    std::vector<double> mean(n), a(n), b(n), c(n), dx(x.size());
    for (std::size_t s = 0; s < n; ++s) {
      const auto k = static_cast<double>(s);
      mean[s] = 1 + 0.25 * k, a[s] = 2 - k, b[s] = 0.5 * k, c[s] = k * k;
    }
    const std::vector<double> w = drawn_weights<double>(layout);
    for (const double* weights : {static_cast<const double*>(nullptr), w.data()}) {
      kernels::combine_gradient<double>(
          x.data(), dy.data(), weights, layout,
          scaling_of<double>(layout, mean.data(), a.data(), mean.data()),
          gradient_scaling_of<double>(layout, mean.data(), b.data(), c.data()), dx.data());
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

BOOST_AUTO_TEST_CASE(weights_of_one_change_no_gradient) {
  for (const NormLayout& layout : kNormLayouts) {
    const auto x = drawn<float>(layout, 3, 1, 1), dy = drawn<float>(layout, 0, 1, 2);
    const std::vector<float> ones(x.size() / static_cast<std::size_t>(layout.channels), 1);
    const std::vector<double> mean = means_near(layout, 3);
    std::vector<float> dx(x.size()), dx_weighted(x.size());
    for (auto* out : {&dx, &dx_weighted}) {
      kernels::combine_gradient(x.data(), dy.data(), out == &dx ? nullptr : ones.data(), layout,
                                scaling<float>(layout, mean), gradient_scaling<float>(layout, mean),
                                out->data());
    }
    BOOST_TEST((dx == dx_weighted));
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_and_has_weight_zero_is_selected_away) {
  for (const NormLayout& layout : kNormLayouts) {
    const auto x = drawn<double>(layout, 3, 1, 1), dy = drawn<double>(layout, 0, 1, 2);
    const auto w = drawn_weights<double>(layout);
    const std::vector<double> mean = means_near(layout, 3);
    // Where x is its mean the products vanish too.
    auto poisoned = x, at_the_mean = x;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (w[place_of(layout, i)] != 0) continue;
      poisoned[i] = i % 2 ? 1 / 0.0 : std::numeric_limits<double>::quiet_NaN();
      at_the_mean[i] = mean[statistic_of(layout, i)];
    }
    BOOST_TEST((Sums(poisoned, dy, w, layout, mean) == Sums(at_the_mean, dy, w, layout, mean)));
    std::vector<double> dx(x.size()), expected(x.size());
    for (auto* out : {&dx, &expected}) {
      kernels::combine_gradient((out == &dx ? poisoned : x).data(), dy.data(), w.data(), layout,
                                scaling<double>(layout, mean),
                                gradient_scaling<double>(layout, mean), out->data());
    }
    BOOST_TEST((dx == expected));
  }
}

BOOST_AUTO_TEST_CASE(an_x_without_gradient_is_not_looked_at) {
  const NormLayout layout{.outer = 5, .channels = 2};
  auto x = drawn<double>(layout, 3, 1, 1), dy = drawn<double>(layout, 0, 1, 2);
  dy[2] = dy[7] = 0;
  const Sums clean(x, dy, {}, layout, {3, 2});
  x[2] = x[7] = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST((Sums(x, dy, {}, layout, {3, 2}) == clean));
  dy[2] = 1;
  BOOST_TEST(std::isnan(Sums(x, dy, {}, layout, {3, 2}).dy_centred[0]));
}

BOOST_AUTO_TEST_CASE(two_threads_give_the_same_bits) {
  for (const NormLayout& layout : kNormLayouts) {
    const auto x = drawn<float>(layout, 0.5, 1, 1), dy = drawn<float>(layout, 0, 1, 2);
    const std::vector<double> mean = means_near(layout, 0.5);
    for (const auto& weights : {std::vector<float>(), drawn_weights<float>(layout)}) {
      std::vector<float> results[2];
      for (const int count : {1, 2}) {
        set_threads(count);
        const Sums sums(x, dy, weights, layout, mean);
        std::vector<float>& y = results[count - 1];
        y.resize(2 * x.size());
        const auto of =
            scaling_of<float>(layout, mean.data(), sums.dy.data(), sums.dy_centred.data());
        kernels::scale_centred(x.data(), layout, of, y.data());
        kernels::combine_gradient(
            x.data(), dy.data(), weights.empty() ? nullptr : weights.data(), layout, of,
            gradient_scaling_of<float>(layout, mean.data(), sums.dy_centred.data(), mean.data()),
            y.data() + x.size());
      }
      BOOST_TEST((results[0] == results[1]));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::test
