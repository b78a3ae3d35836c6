// Minimal filtering on every level of this machine against the direct method in double: rims,
// tails, paddings, accuracy, threads, and where it is chosen.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/kernels/minimal_filtering.hpp>
#include <limits>
#include <utility>
#include <vector>

#include "convolution_cases.hpp"
#include "support/numbers.hpp"

namespace lamina::kernels {
namespace {

using namespace test_cases;

Results<float> filtered(const ConvolutionSize& size, InstructionSet level, const Operands& o) {
  Results<float> r = blank<float>(o);
  const auto filter = [&](ConvolutionPass pass) -> const MinimalFilter& {
    const MinimalFilter* const found = minimal_filter(size, pass, level);
    BOOST_REQUIRE(found != nullptr);
    return *found;
  };
  using Pass = ConvolutionPass;
  filtered_convolution(filter(Pass::forward), size, o.x.data(), o.kernel.data(),
                       r.y.mutable_data());
  filtered_input_gradient(filter(Pass::input_gradient), size, o.dy.data(), o.kernel.data(),
                          r.dx.mutable_data());
  filtered_weight_gradient(filter(Pass::weight_gradient), size, o.x.data(), o.dy.data(),
                           r.dkernel.mutable_data());
  return r;
}

// Fewer than 16 channels are for vectors of 8.
Results<float> filtered_by_short_vectors(const ConvolutionSize& size, InstructionSet,
                                         const Operands& o) {
  return filtered(size, InstructionSet::avx2, o);
}

// rms errors are below 2e-6; the largest of some thousands is about 5 times that.
void check(const ConvolutionSize& size) { check_against_double(size, 2e-5, filtered); }

BOOST_AUTO_TEST_SUITE(minimal_filtering)

BOOST_AUTO_TEST_CASE(takes_every_extent_and_padding) {
  for (const std::int64_t taps : {3, 5}) {
    const std::int64_t p = taps / 2;
    for (std::int64_t rows = 1; rows <= 17; rows += 2) {
      for (const std::int64_t columns : {std::int64_t{1}, std::int64_t{6}, 18 - rows}) {
        check(size_of(1, rows, columns, 16, 17, taps, {p, p, p, p}));
        check(size_of(1, rows, columns, 17, 16, taps, {taps, 0, taps - 1, 7}));
        check(size_of(1, rows, columns, 16, 16, taps, {0, taps - 1, 1, taps + 1}));
        if (rows >= taps && columns >= taps) {
          check(size_of(2, rows, columns, 16, 16, taps, {0, 0, 0, 0}));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(takes_every_number_of_channels_and_images) {
  for (const std::int64_t taps : {3, 5}) {
    for (const std::int64_t in : {16, 19, 24, 32, 33, 47, 64, 70}) {
      for (const std::int64_t out : {16, 21, 31, 32, 41, 48, 57, 70}) {
        check(size_of(3, 5, 7, in, out, taps, {1, 2, 2, 1}));
      }
    }
    for (const std::int64_t few : {8, 9, 12, 15}) {
      for (const std::int64_t others : {8, 11, 16, 33}) {
        for (const auto& [in, out] : {std::pair(few, others), std::pair(others, few)}) {
          check_against_double(size_of(3, 5, 7, in, out, taps, {1, 2, 2, 1}), 2e-5,
                               filtered_by_short_vectors);
        }
      }
    }
    check(same(0, 7, 16, 18, taps));
    check(same(29, 13, 34, 37, taps));  // many jobs, blocks and partial sums
  }
}

BOOST_AUTO_TEST_CASE(is_for_its_own_shapes_only) {
  const ConvolutionSize good = same(2, 8, 16, 16, 3);
  for (const InstructionSet level : levels_with_kernels()) {
    BOOST_TEST(minimal_filter(good, ConvolutionPass::forward, level) != nullptr);
    const std::int64_t too_few = level == InstructionSet::avx512 ? 15 : 7;
    for (int change = 0; change < 8; ++change) {
      ConvolutionSize size = good;
      if (change == 0) size.rows.stride = 2;
      if (change == 1) size.columns.stride = 2;
      if (change == 2) size.rows.dilation = 2;
      if (change == 3) size.columns.dilation = 3;
      if (change == 4) size.groups = 2;
      if (change == 5) size.rows.kernel = 5;
      if (change == 6) size.in_channels = too_few;
      if (change == 7) size.out_channels = too_few;
      BOOST_TEST(minimal_filter(size, ConvolutionPass::forward, level) == nullptr,
                 "change " << change);
    }
    BOOST_TEST(minimal_filter(same(2, 8, 16, 16, 1), ConvolutionPass::forward, level) == nullptr);
    BOOST_TEST(minimal_filter(same(2, 8, 16, 16, 7), ConvolutionPass::forward, level) == nullptr);
  }
  BOOST_TEST(minimal_filter(good, ConvolutionPass::forward, InstructionSet::baseline) == nullptr);
}

// The limit that the documentation promises, at the corners of where filtering is chosen.
BOOST_AUTO_TEST_CASE(rounds_at_most_four_times_as_much_as_the_direct_method) {
  for (const ConvolutionSize& size :
       {same(16, 14, 16, 16, 3), same(16, 14, 128, 48, 3), same(8, 14, 256, 64, 3),
        same(16, 14, 24, 40, 3), same(16, 14, 48, 24, 5), same(32, 14, 32, 64, 5),
        same(16, 14, 70, 48, 5), same(4, 28, 64, 64, 3), same(16, 14, 32, 16, 5),
        same(64, 5, 64, 128, 5), same(48, 5, 256, 64, 5), same(24, 6, 128, 32, 5),
        same(24, 12, 128, 64, 5), same(12, 13, 32, 128, 5), same(64, 4, 256, 128, 3)}) {
    check_rounding(size, filtered);
  }
  for (const ConvolutionSize& size :
       {same(64, 28, 8, 8, 3), same(16, 14, 16, 8, 3), same(16, 14, 8, 32, 3),
        same(16, 14, 12, 32, 3), same(16, 14, 9, 64, 3), same(16, 7, 8, 128, 3)}) {
    check_rounding(size, filtered_by_short_vectors);
  }
}

BOOST_AUTO_TEST_CASE(is_chosen_where_it_is_faster) {
  using Pass = ConvolutionPass;
  const bool x86 = instruction_set() != InstructionSet::baseline;
  const auto chosen = [](const ConvolutionSize& size, Pass pass) {
    return faster_minimal_filter(size, pass) != nullptr;
  };
  for (const Pass pass : {Pass::forward, Pass::input_gradient, Pass::weight_gradient}) {
    BOOST_TEST(chosen(same(128, 14, 32, 64, 5), pass) == x86);
    BOOST_TEST(chosen(same(32, 56, 64, 64, 3), pass) == x86);
    BOOST_TEST(!chosen(same(1, 14, 64, 64, 3), pass));  // too few tiles
    BOOST_TEST(!chosen(same(64, 4, 64, 64, 5), pass));  // would round too much
    BOOST_TEST(!chosen(same(64, 2, 64, 64, 3), pass));  // a quarter of each tile used
    BOOST_TEST(chosen(same(32, 14, 512, 512, 3), pass) == x86);
    BOOST_TEST(chosen(same(8, 28, 1024, 512, 3), pass) == x86);
    BOOST_TEST(!chosen(same(8, 28, 1024, 2048, 3), pass));  // not measured
  }
  BOOST_TEST(chosen(same(32, 14, 32, 16, 3), Pass::input_gradient) == x86);
  // Most of what the input's gradient reads is padding.
  BOOST_TEST(!chosen(size_of(64, 4, 4, 16, 16, 3, {0, 0, 0, 0}), Pass::input_gradient));
  BOOST_TEST(!chosen(same(64, 8, 8, 8, 3), Pass::forward));
  // Vectors of 8.
  const bool longer = instruction_set() == InstructionSet::avx512;
  BOOST_TEST(chosen(same(32, 14, 8, 8, 3), Pass::forward) == x86);
  BOOST_TEST(!chosen(same(32, 14, 8, 8, 3), Pass::weight_gradient));
  BOOST_TEST(chosen(same(32, 14, 16, 8, 3), Pass::weight_gradient) == x86);
  BOOST_TEST(chosen(same(32, 14, 12, 8, 3), Pass::forward) == (x86 && !longer));
  BOOST_TEST(chosen(same(32, 14, 8, 16, 3), Pass::forward) == (x86 && !longer));
  BOOST_TEST(chosen(same(32, 14, 8, 16, 3), Pass::input_gradient) == x86);
  BOOST_TEST(chosen(same(32, 14, 12, 32, 3), Pass::input_gradient) == x86);
  BOOST_TEST(!chosen(same(32, 14, 8, 16, 5), Pass::input_gradient));  // would round too much
  BOOST_TEST(!chosen(same(32, 14, 7, 64, 3), Pass::forward));
  BOOST_TEST(chosen(same(32, 14, 256, 64, 3), Pass::weight_gradient) == x86);
  // Neither way is fast for the gradient with many channels on one side only.
  BOOST_TEST(chosen(same(32, 14, 2048, 64, 3), Pass::forward) == x86);
  BOOST_TEST(!chosen(same(32, 14, 2048, 64, 3), Pass::weight_gradient));
}

BOOST_AUTO_TEST_CASE(gives_the_same_bits_for_one_and_two_threads) {
  for (const std::int64_t taps : {3, 5}) {
    check_one_and_two_threads(same(29, 13, 34, 37, taps), filtered);
  }
}

// An image's result does not depend on the images beside it, and one NaN stays in the tiles around
// it.
BOOST_AUTO_TEST_CASE(keeps_images_and_far_tiles_apart) {
  const ConvolutionSize size = same(3, 17, 16, 16, 3);
  Operands operands(size);
  for (const InstructionSet level : levels_with_kernels()) {
    const Results<float> clean = filtered(size, level, operands);
    Operands spoiled = operands;
    const std::int64_t image = 17 * 17 * 16;
    spoiled.x.mutable_data()[image] = std::numeric_limits<float>::quiet_NaN();  // corner, image 1
    const Results<float> got = filtered(size, level, spoiled);
    BOOST_TEST(std::isnan(got.y.data()[image]));
    int differences = 0;
    for (std::int64_t i = 0; i < got.y.size(); ++i) {
      const std::int64_t row = i % image / (17 * 16), column = i % (17 * 16) / 16;
      const bool near = i / image == 1 && row < 4 && column < 4;
      if (!near && got.y.data()[i] != clean.y.data()[i]) ++differences;
    }
    BOOST_TEST(differences == 0);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
