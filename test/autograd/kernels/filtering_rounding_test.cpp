// The promise of minimal filtering, of squares and along lines, wherever the level in use chooses
// it: small images, much padding, few channels.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/convolution.hpp>
#include <utility>
#include <vector>

#include "convolution_cases.hpp"

namespace lamina::kernels {
namespace {

using namespace test_cases;

BOOST_AUTO_TEST_SUITE(filtering_rounding)

BOOST_AUTO_TEST_CASE(is_at_most_four_times_that_of_the_exact_sum_wherever_filtering_is_chosen) {
  const std::vector<std::pair<int, int>> extents{{2, 2},   {3, 3},   {4, 4},  {6, 6}, {8, 8},
                                                 {10, 10}, {12, 12}, {4, 12}, {28, 3}};
  const std::vector<std::pair<int, int>> channels{{1, 16},  {3, 16}, {8, 8},   {8, 1},
                                                  {12, 32}, {16, 8}, {16, 16}, {24, 40}};
  for (const std::int64_t taps : {3, 5}) {
    for (const auto& [rows, columns] : extents) {
      for (const std::int64_t padding : {std::int64_t{0}, taps / 2}) {
        if (std::min(rows, columns) + 2 * padding < taps) continue;
        for (const auto& [in, out] : channels) {
          const ConvolutionSize size =
              size_of(std::clamp(2000 / (rows * columns), 8, 64), rows, columns, in, out, taps,
                      {padding, padding, padding, padding});
          Operands operands(size);
          for (float& value : operands.x.mutable_values()) value = std::max(value, 0.0F);
          ConvolutionSize never_filtered = size;
          never_filtered.exact = true;
          const Results<double> expected = direct<double>(size, operands);
          const Results<float> exact = direct<float>(never_filtered, operands);
          const Results<float> got = direct<float>(size, operands);
          BOOST_TEST_CONTEXT(text_of(size, instruction_set())) {
            BOOST_TEST(error_of(got.y, expected.y) <= 4 * error_of(exact.y, expected.y));
            BOOST_TEST(error_of(got.dx, expected.dx) <= 4 * error_of(exact.dx, expected.dx));
            BOOST_TEST(error_of(got.dkernel, expected.dkernel) <=
                       4 * error_of(exact.dkernel, expected.dkernel));
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
