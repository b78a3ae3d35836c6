// The loops of every level of this machine against the baseline's: strips and tails of every width,
// weights, what is not finite, writes past the caches.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/moments.hpp>
#include <lamina/autograd/kernels/normalization.hpp>
#include <lamina/autograd/kernels/normalization_level.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <limits>

#include "support/levels.hpp"
#include "support/norm_coefficients.hpp"
#include "support/normalization_cases.hpp"

namespace lamina::kernels {
namespace {

using test::drawn;
using test::drawn_weights;
using test::levels_here;

// All that the kernels compute of one input.
struct Results {
  std::vector<double> count, mean, variance, sum_dy, sum_dy_centred;
  std::vector<float> y, dx;

  Results(const std::vector<float>& x, const std::vector<float>& dy,
          const std::vector<float>& weights, const NormLayout& layout, InstructionSet level)
      : count(static_cast<std::size_t>(layout.groups)),
        mean(static_cast<std::size_t>(layout.statistics())),
        variance(mean),
        sum_dy(mean),
        sum_dy_centred(mean),
        y(x.size()),
        dx(x.size()) {
    const float* const w = weights.empty() ? nullptr : weights.data();
    moments(x.data(), w, layout, count.data(), mean.data(), variance.data(), level);
    const auto of = test::scaling_of<float>(layout, mean.data(), variance.data(), mean.data());
    gradient_sums(x.data(), dy.data(), w, layout, mean.data(), of, sum_dy.data(),
                  sum_dy_centred.data(), level);
    scale_centred(x.data(), layout, of, y.data(), level);
    combine_gradient(
        x.data(), dy.data(), w, layout, of,
        test::gradient_scaling_of<float>(layout, mean.data(), mean.data(), variance.data()),
        dx.data(), level);
  }
};

template <class T>
void agree(const std::vector<T>& got, const std::vector<T>& expected, double tolerance) {
  BOOST_TEST_REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto a = static_cast<double>(got[i]), b = static_cast<double>(expected[i]);
    if (std::isnan(a) && std::isnan(b)) continue;
    if (!(std::abs(a - b) <= tolerance * (1 + std::abs(b)))) {
      BOOST_TEST(a == b, "element " << i << ": " << a << ", expected " << b);
    }
  }
}

void agree(const Results& got, const Results& expected, std::int64_t count) {
  agree(got.count, expected.count, 0);
  agree(got.mean, expected.mean, 1e-6);
  agree(got.variance, expected.variance, 1e-6);
  const double chain = 1e-6 * std::sqrt(static_cast<double>(count) + 1);
  agree(got.sum_dy, expected.sum_dy, chain);
  agree(got.sum_dy_centred, expected.sum_dy_centred, chain);
  agree(got.y, expected.y, 2e-6);
  agree(got.dx, expected.dx, 2e-6);
}

void check(const NormLayout& layout) {
  const auto x = drawn<float>(layout, 0.5, 1, 1), dy = drawn<float>(layout, 0, 1, 2);
  for (const auto& weights : {std::vector<float>(), drawn_weights<float>(layout)}) {
    const Results expected(x, dy, weights, layout, InstructionSet::baseline);
    for (const InstructionSet level : levels_here()) {
      BOOST_TEST_CONTEXT(to_string(level) << " " << layout.outer << " " << layout.groups << " "
                                          << layout.middle << " " << layout.channels << " "
                                          << layout.inner << (weights.empty() ? "" : " weighted")) {
        agree(Results(x, dy, weights, layout, level), expected, layout.count());
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE(normalization_levels)

BOOST_AUTO_TEST_CASE(a_level_has_loops_and_the_baseline_none) {
  BOOST_TEST(normalization_loops(InstructionSet::baseline) == nullptr);
  for (const InstructionSet level : levels_here()) {
    BOOST_TEST((normalization_loops(level) == nullptr) == (level == InstructionSet::baseline));
    BOOST_TEST(loops_for<double>(level) == nullptr);
    BOOST_TEST(loops_for<float>(level) == normalization_loops(level));
  }
}

BOOST_AUTO_TEST_CASE(agree_with_the_baseline_in_every_layout) {
  for (const NormLayout& layout : test::kNormLayouts) check(layout);
}

BOOST_AUTO_TEST_CASE(columns_of_every_width) {
  for (std::int64_t channels = 1; channels <= 140; ++channels) {
    for (const std::int64_t rows : {1, 3, 16, 23}) check({.outer = rows, .channels = channels});
  }
}

BOOST_AUTO_TEST_CASE(runs_of_every_length) {
  for (std::int64_t inner = 2; inner <= 140; ++inner) {
    check({.outer = 3, .channels = 2, .inner = inner});
  }
  for (const std::int64_t inner : {1024, 1025, 3136}) {
    check({.outer = 2, .channels = 3, .inner = inner});
  }
}

BOOST_AUTO_TEST_CASE(small_ghost_batches_lie_far_apart) {
  check({.outer = 16, .groups = 32, .channels = 128});
  check({.outer = 5, .groups = 7, .channels = 300});
}

// Large enough to be written past the caches, aligned and not.
BOOST_AUTO_TEST_CASE(large_outputs) {
  check({.outer = 100000, .channels = 32});
  check({.outer = 1000, .channels = 32, .inner = 112});
  check({.outer = 99991, .channels = 33});
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_goes_where_the_baseline_lets_it_go) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const NormLayout layout :
       {NormLayout{.outer = 50, .channels = 21}, {.outer = 2, .channels = 3, .inner = 70}}) {
    for (const float in_x : {nan, infinity, 1.0F}) {
      for (const float in_dy : {nan, infinity, 0.0F}) {
        auto x = drawn<float>(layout, 3, 1, 1), dy = drawn<float>(layout, 0, 1, 2);
        for (const auto& weights : {std::vector<float>(), drawn_weights<float>(layout)}) {
          // Places 1 and 2: one has a weight, the other has none.
          for (const std::size_t place : {1U, 2U}) {
            const std::size_t element = layout.inner > 1 ? place : place * 21 + 4;
            x[element] = in_x;
            dy[element] = in_dy;
          }
          const std::vector<double> mean(static_cast<std::size_t>(layout.statistics()), 3);
          std::vector<double> dy_sums[2], product_sums[2];
          for (const InstructionSet level : levels_here()) {
            const std::size_t at = level == InstructionSet::baseline ? 0 : 1;
            dy_sums[at].assign(mean.size(), 0);
            product_sums[at].assign(mean.size(), 0);
            gradient_sums(x.data(), dy.data(), weights.empty() ? nullptr : weights.data(), layout,
                          mean.data(),
                          test::scaling_of<float>(layout, mean.data(), mean.data(), mean.data()),
                          dy_sums[at].data(), product_sums[at].data(), level);
            for (std::size_t s = 0; s < mean.size(); ++s) {
              BOOST_TEST(std::isfinite(dy_sums[at][s]) == std::isfinite(dy_sums[0][s]));
              BOOST_TEST(std::isfinite(product_sums[at][s]) == std::isfinite(product_sums[0][s]));
              BOOST_TEST(std::isnan(product_sums[at][s]) == std::isnan(product_sums[0][s]));
            }
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
