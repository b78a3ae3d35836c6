// The direct method's kernels on every level of this machine against the products of matrices in
// double: rims, tails, paddings, strides, dilations, chains, threads, infinities, and where they
// are chosen.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/direct_convolution.hpp>
#include <limits>

#include "convolution_cases.hpp"

namespace lamina::kernels {
namespace {

using namespace test_cases;

struct Axis {
  std::int64_t in, taps, stride = 1, dilation = 1, before = 0, after = 0;

  operator WindowAxis() const {
    const std::int64_t extended = (taps - 1) * dilation + 1;
    const std::int64_t room = in + before + after - extended;
    return {.in = in,
            .out = room < 0 ? 0 : room / stride + 1,
            .kernel = taps,
            .stride = stride,
            .dilation = dilation,
            .before = before};
  }
};

ConvolutionSize size_of(std::int64_t images, const Axis& rows, const Axis& columns,
                        std::int64_t in_channels, std::int64_t out_channels) {
  return {.images = images,
          .rows = rows,
          .columns = columns,
          .in_channels = in_channels,
          .out_channels = out_channels,
          .exact = true};
}

// Rounding of some hundred products is some 1e-6 of the rms; an element that is missed is 1.
void check(const ConvolutionSize& size, double tolerance = 1e-5) {
  check_against_double(size, tolerance, by_kernels);
}

BOOST_AUTO_TEST_SUITE(direct_convolution_kernels)

BOOST_AUTO_TEST_CASE(take_every_extent_and_padding) {
  for (const std::int64_t taps : {1, 2, 3, 5, 7}) {
    for (const std::int64_t in : {1, 2, 3, 5, 8, 13, 17, 31}) {
      const std::int64_t p = taps / 2;
      const Axis same{.in = in, .taps = taps, .before = p, .after = p};
      const Axis wide{.in = 19 - in % 16, .taps = taps, .before = taps - 1, .after = taps + 2};
      check(size_of(2, same, wide, 3, 17));
      check(size_of(7, wide, same, 5, 9));
      if (in >= taps) check(size_of(3, {.in = in, .taps = taps}, {.in = 32, .taps = taps}, 2, 33));
    }
  }
}

BOOST_AUTO_TEST_CASE(take_every_stride_and_dilation) {
  for (const std::int64_t taps : {1, 2, 3, 5}) {
    for (const std::int64_t stride : {1, 2, 3, 4}) {
      for (const std::int64_t dilation : {1, 2, 3, 4}) {
        const Axis rows{.in = 17,
                        .taps = taps,
                        .stride = stride,
                        .dilation = dilation,
                        .before = taps / 2 * dilation,
                        .after = 1};
        const Axis columns{.in = 19,
                           .taps = 3,
                           .stride = 5 - stride,
                           .dilation = dilation % 3 + 1,
                           .before = 2,
                           .after = dilation};
        check(size_of(2, rows, columns, 3, 10));
        check(size_of(2, columns, rows, 6, 19));
      }
    }
  }
}

// Of an input's gradient, some positions then meet no row of the kernel.
BOOST_AUTO_TEST_CASE(take_few_channels_that_no_tap_meets) {
  for (const std::int64_t in : {2, 3, 4, 5, 8}) {
    for (const std::int64_t filters : {1, 2, 4}) {
      check(size_of(2, {.in = in, .taps = 1, .stride = 2, .dilation = 3},
                    {.in = 20, .taps = 3, .before = 1, .after = 1}, 8, filters));
    }
  }
}

BOOST_AUTO_TEST_CASE(take_strides_beyond_the_image) {
  const std::int64_t stride = std::numeric_limits<std::int32_t>::max();
  check(size_of(2, {.in = 8, .taps = 3, .stride = stride}, {.in = 7, .taps = 3, .stride = stride},
                16, 16));
  // Padding of so many rows would not fit into memory if it were laid out.
  const Axis far{.in = 8, .taps = 3, .stride = 1 << 20, .before = 1 << 20, .after = 1 << 20};
  check(size_of(1, far, far, 1, 16));
}

BOOST_AUTO_TEST_CASE(take_kernels_of_unequal_sides) {
  for (const std::int64_t channels : {1, 4, 5, 20}) {
    check(size_of(3, {.in = 11, .taps = 1}, {.in = 16, .taps = 7, .before = 3, .after = 3},
                  channels, 24));
    check(size_of(3, {.in = 16, .taps = 7, .stride = 2, .before = 3, .after = 2},
                  {.in = 11, .taps = 1}, channels, 24));
  }
}

BOOST_AUTO_TEST_CASE(take_every_number_of_channels_and_images) {
  for (const std::int64_t in : {1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 29, 33}) {
    for (const std::int64_t out : {1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 65}) {
      check(size_of(3, {.in = 6, .taps = 3, .before = 1, .after = 1},
                    {.in = 18, .taps = 3, .before = 1, .after = 1}, in, out));
    }
  }
  // Images large enough for the gradient to take padded rows.
  for (const std::int64_t in : {4, 5, 8, 11, 16, 17}) {
    check(size_of(2, {.in = 17, .taps = 5, .before = 2, .after = 2},
                  {.in = 15, .taps = 3, .before = 2, .after = 1}, in, 35));
    check(size_of(2, {.in = 25, .taps = 3, .stride = 2, .before = 0, .after = 1},
                  {.in = 24, .taps = 5, .stride = 2, .before = 2, .after = 3}, in, 19));
  }
  for (const std::int64_t images : {1, 5, 6, 7, 13, 14, 15, 29, 43}) {
    check(same(images, 4, 6, 20, 3));
    check(same(images, 9, 1, 20, 3));
  }
}

// Several blocks of channels, several slices and blocks of the kernel's gradient.
BOOST_AUTO_TEST_CASE(sum_in_chains) {
  check(same(5, 7, 307, 67, 3));
  check(same(2, 5, 1301, 35, 1));
  check(same(17, 13, 45, 140, 3));
  check(same(1, 41, 3, 40, 5));
  check(same(1, 37, 10, 40, 5));
  check(same(2, 12, 16, 520, 5));
}

BOOST_AUTO_TEST_CASE(are_for_one_group_and_something_to_compute) {
  const ConvolutionSize good = same(2, 8, 16, 16, 3);
  BOOST_TEST(direct_kernels(good, InstructionSet::baseline) == nullptr);
  for (const InstructionSet level : levels_with_kernels()) {
    BOOST_TEST(direct_kernels(good, level) != nullptr);
    for (int change = 0; change < 6; ++change) {
      ConvolutionSize size = good;
      if (change == 0) size.groups = 2;
      if (change == 1) size.images = 0;
      if (change == 2) size.rows.out = 0;
      if (change == 3) size.columns.in = 0;
      if (change == 4) size.in_channels = 0;
      if (change == 5) size.out_channels = 0;
      BOOST_TEST(direct_kernels(size, level) == nullptr, "change " << change);
    }
  }
}

BOOST_AUTO_TEST_CASE(give_the_same_bits_for_one_and_two_threads) {
  for (const ConvolutionSize& size :
       {same(29, 13, 1, 37, 5), same(29, 13, 34, 37, 3), same(2, 40, 9, 70, 3),
        size_of(9, {.in = 30, .taps = 3, .stride = 2}, {.in = 31, .taps = 3, .stride = 2}, 40,
                80)}) {
    check_one_and_two_threads(size, by_kernels);
  }
}

// Which images make a tile together changes nothing: an image's results are those that it has
// alone.
BOOST_AUTO_TEST_CASE(do_not_depend_on_the_images_beside) {
  const ConvolutionSize batch = same(23, 9, 20, 35, 3), single = same(1, 9, 20, 35, 3);
  const Operands all(batch);
  for (const InstructionSet level : levels_with_kernels()) {
    const Results<float> expected = by_kernels(batch, level, all);
    Operands one(single);
    one.kernel = all.kernel;
    const std::int64_t image = 17;
    std::copy_n(all.x.data() + image * one.x.size(), one.x.size(), one.x.mutable_data());
    std::copy_n(all.dy.data() + image * one.dy.size(), one.dy.size(), one.dy.mutable_data());
    const Results<float> got = by_kernels(single, level, one);
    BOOST_TEST(std::equal(got.y.data(), got.y.data() + got.y.size(),
                          expected.y.data() + image * got.y.size()));
    BOOST_TEST(std::equal(got.dx.data(), got.dx.data() + got.dx.size(),
                          expected.dx.data() + image * got.dx.size()));
  }
}

// An infinity reaches the windows that hold it, through every tap, and nothing else.
BOOST_AUTO_TEST_CASE(keep_infinities_where_they_belong) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::int64_t channels : {1, 3, 18}) {
    const ConvolutionSize size = same(9, 17, channels, 18, 5);
    Operands operands(size);
    const std::int64_t at = (4 * 17 + 2) * 17 + 15;  // image 4, row 2, column 15
    operands.x.mutable_data()[at * channels] = infinity;
    operands.dy.mutable_data()[at * 18] = infinity;
    for (const InstructionSet level : levels_with_kernels()) {
      BOOST_TEST_CONTEXT(text_of(size, level)) {
        const Results<float> got = by_kernels(size, level, operands);
        const auto wrong = [&](const Tensor<float>& result) {
          const std::int64_t depth = result.shape()[3];
          std::int64_t count = 0;
          for (std::int64_t i = 0; i < result.size(); ++i) {
            const std::int64_t position = i / depth;
            const std::int64_t row = position / 17 % 17, column = position % 17;
            const bool reached = position / (17 * 17) == 4 && row <= 4 && column >= 13;
            if (std::isfinite(result.data()[i]) == reached) ++count;
          }
          return count;
        };
        BOOST_TEST(wrong(got.y) == 0);
        BOOST_TEST(wrong(got.dx) == 0);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(are_chosen_where_half_of_a_vector_is_used) {
  using Pass = ConvolutionPass;
  const bool x86 = instruction_set() != InstructionSet::baseline;
  const auto chosen = [](const ConvolutionSize& size, Pass pass) {
    return faster_direct_kernels(size, pass) != nullptr;
  };
  const ConvolutionSize first = same(4, 28, 1, 32, 5), last = same(4, 28, 32, 1, 3);
  BOOST_TEST(chosen(first, Pass::forward) == x86);
  BOOST_TEST(chosen(first, Pass::weight_gradient) == x86);
  BOOST_TEST(!chosen(first, Pass::input_gradient));
  BOOST_TEST(!chosen(last, Pass::forward));
  BOOST_TEST(!chosen(last, Pass::weight_gradient));
  BOOST_TEST(chosen(last, Pass::input_gradient) == x86);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
