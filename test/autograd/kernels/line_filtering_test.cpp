// Minimal filtering along lines, on every level of this machine against the direct method in
// double: rims, tails of channels, bands of rows, accuracy, threads, and where it is chosen.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/line_filtering.hpp>

#include "convolution_cases.hpp"

namespace lamina::kernels {
namespace {

using namespace test_cases;

// A pass that reads many channels by the direct method.
Results<float> filtered(const ConvolutionSize& size, InstructionSet level, const Operands& o) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr std::int64_t kMostChannels = 24;
  Results<float> r = by_kernels(size, level, o);
  const auto compute = [&](ConvolutionPass pass, auto by_lines, const Tensor<float>& left,
                           const Tensor<float>& right, Tensor<float>& result) {
    const LineFilter* const filter = line_filter(size, pass, level);
    const bool few = (pass == ConvolutionPass::input_gradient ? size.out_channels
                                                              : size.in_channels) <= kMostChannels;
    BOOST_REQUIRE((filter != nullptr) == few);
    if (filter == nullptr) return;
    result = Tensor<float>(result.shape(), kNan);
    by_lines(*filter, size, left.data(), right.data(), result.mutable_data());
  };
  using Pass = ConvolutionPass;
  compute(Pass::forward, line_convolution, o.x, o.kernel, r.y);
  compute(Pass::input_gradient, line_input_gradient, o.dy, o.kernel, r.dx);
  compute(Pass::weight_gradient, line_weight_gradient, o.x, o.dy, r.dkernel);
  return r;
}

void check(const ConvolutionSize& size) { check_against_double(size, 2e-5, filtered); }

BOOST_AUTO_TEST_SUITE(line_filtering_kernels)

BOOST_AUTO_TEST_CASE(take_every_extent_and_padding) {
  for (const std::int64_t taps : {3, 5}) {
    const std::int64_t p = taps / 2;
    for (std::int64_t rows = 1; rows <= 13; rows += 3) {
      for (const std::int64_t columns : {std::int64_t{1}, std::int64_t{6}, 14 - rows}) {
        check(size_of(1, rows, columns, 1, 17, taps, {p, p, p, p}));
        check(size_of(2, rows, columns, 3, 16, taps, {taps, 0, taps - 1, 7}));
        check(size_of(1, rows + taps, columns + taps, 2, 33, taps, {0, taps - 1, 1, taps + 1}));
        check(size_of(1, rows + taps, columns + taps, 1, 8, taps, {0, 0, 0, 0}));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(take_every_number_of_channels_and_images) {
  for (const std::int64_t taps : {3, 5}) {
    for (const std::int64_t in : {1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 23, 24}) {
      for (const std::int64_t out : {1, 7, 8, 15, 16, 21, 32, 41, 66}) {
        check(size_of(3, 5, 7, in, out, taps, {1, 2, 2, 1}));
      }
    }
    check(same(29, 13, 3, 37, taps));
    check(same(5, 13, 37, 3, taps));
  }
}

// Rows that are so long that an image is several bands, and an output past the caches.
BOOST_AUTO_TEST_CASE(take_large_images) {
  for (const std::int64_t taps : {3, 5}) {
    check(size_of(2, 50, 301, 4, 24, taps, {1, 1, 0, 2}));
    check(same(2, 260, 1, 32, taps));
  }
}

BOOST_AUTO_TEST_CASE(round_at_most_four_times_as_much_as_the_direct_method) {
  for (const std::int64_t taps : {3, 5}) {
    for (const std::int64_t in : {1, 3, 8, 24}) {
      for (const std::int64_t extent : {4, 8, 12, 28, 65}) {
        // Smaller images are left to the direct method.
        if (taps == 5 && extent < 12) continue;
        const std::int64_t images = std::max<std::int64_t>(1, 8192 / (extent * extent));
        check_rounding(same(images, extent, in, 32, taps), filtered);
        check_rounding(same(images, extent, 17, in, taps), filtered);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(give_the_same_bits_for_one_and_two_threads) {
  for (const std::int64_t taps : {3, 5}) {
    check_one_and_two_threads(same(29, 13, 3, 34, taps), filtered);
    check_one_and_two_threads(same(1, 150, 2, 34, taps), filtered);
  }
}

BOOST_AUTO_TEST_CASE(are_chosen_where_they_are_faster) {
  using Pass = ConvolutionPass;
  const InstructionSet level = instruction_set();
  const bool any = level != InstructionSet::baseline;
  const auto chosen = [](const ConvolutionSize& size, Pass pass) {
    return faster_line_filter(size, pass) != nullptr;
  };
  BOOST_TEST(chosen(same(1, 28, 1, 32, 5), Pass::forward) == any);
  BOOST_TEST(chosen(same(1, 28, 1, 32, 5), Pass::weight_gradient) == any);
  BOOST_TEST(!chosen(same(1, 28, 1, 32, 5), Pass::input_gradient));
  BOOST_TEST(chosen(same(1, 28, 8, 8, 3), Pass::input_gradient) == any);
  BOOST_TEST(chosen(same(1, 32, 3, 64, 3), Pass::forward) == any);
  BOOST_TEST(chosen(same(1, 32, 3, 64, 3), Pass::weight_gradient) ==
             (level == InstructionSet::avx2));
  BOOST_TEST(!chosen(same(1, 8, 8, 8, 3), Pass::input_gradient));     // few tiles
  BOOST_TEST(!chosen(same(64, 28, 3, 16, 5), Pass::input_gradient));  // would round too much
  BOOST_TEST(!chosen(size_of(64, 4, 4, 8, 8, 3, {0, 0, 0, 0}), Pass::input_gradient));  // padding
  BOOST_TEST(!chosen(same(1, 28, 16, 16, 3), Pass::forward));                           // squares
  BOOST_TEST(!chosen(same(1, 11, 1, 32, 5), Pass::forward));  // rounds too much
  BOOST_TEST(!chosen(same(1, 5, 3, 32, 3), Pass::forward));   // three of eight outputs outside
}

BOOST_AUTO_TEST_CASE(are_null_where_they_do_not_apply) {
  const ConvolutionSize good = same(1, 28, 1, 32, 5);
  using Pass = ConvolutionPass;
  const auto check_null = [&](const ConvolutionSize& size, Pass pass) {
    for (const InstructionSet level : levels_with_kernels()) {
      BOOST_TEST(line_filter(size, pass, level) == nullptr, text_of(size, level));
    }
  };
  for (const InstructionSet level : levels_with_kernels()) {
    BOOST_TEST(line_filter(good, Pass::forward, level) != nullptr);
    BOOST_TEST(line_filter(good, Pass::weight_gradient, level) != nullptr);
  }
  BOOST_TEST(line_filter(good, Pass::forward, InstructionSet::baseline) == nullptr);
  check_null(good, Pass::input_gradient);  // of 32 channels
  check_null(same(1, 28, 25, 32, 5), Pass::forward);
  check_null(same(1, 28, 1, 32, 7), Pass::forward);
  check_null(same(0, 28, 1, 32, 5), Pass::forward);
  ConvolutionSize size = good;
  size.columns.stride = 2;
  check_null(size, Pass::forward);
  size = good;
  size.rows.dilation = 2;
  check_null(size, Pass::forward);
  size = same(1, 28, 4, 32, 5);
  size.groups = 2;
  check_null(size, Pass::forward);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
