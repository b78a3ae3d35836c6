// Minimal filtering with many channels, on every level of this machine against the direct method in
// double: rims, tails of channels, parts and chunks, accuracy, threads.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/minimal_filtering.hpp>
#include <lamina/autograd/kernels/wide_filtering.hpp>

#include "convolution_cases.hpp"

namespace lamina::kernels {
namespace {

using namespace test_cases;

Results<float> filtered(const ConvolutionSize& size, InstructionSet level, const Operands& o) {
  Results<float> r = blank<float>(o);
  const auto filter = [&](ConvolutionPass pass) -> const WideFilter& {
    const MinimalFilter* const found = minimal_filter(size, pass, level);
    BOOST_REQUIRE(found != nullptr);
    return *found->wide;
  };
  using Pass = ConvolutionPass;
  const std::int64_t in = size.in_channels, out = size.out_channels;
  wide_filtering(filter(Pass::forward), filtering_pass(size, Pass::forward), o.x.data(),
                 {o.kernel.data(), in, out, false}, r.y.mutable_data());
  wide_filtering(filter(Pass::input_gradient), filtering_pass(size, Pass::input_gradient),
                 o.dy.data(), {o.kernel.data(), out, in, true}, r.dx.mutable_data());
  wide_filtering_gradient(filter(Pass::weight_gradient),
                          filtering_pass(size, Pass::weight_gradient), o.x.data(), o.dy.data(),
                          r.dkernel.mutable_data());
  return r;
}

void check(const ConvolutionSize& size) { check_against_double(size, 2e-5, filtered); }

BOOST_AUTO_TEST_SUITE(wide_filtering)

BOOST_AUTO_TEST_CASE(takes_every_extent_and_padding) {
  for (const std::int64_t taps : {3, 5}) {
    const std::int64_t p = taps / 2;
    for (std::int64_t rows = 1; rows <= 13; rows += 3) {
      for (const std::int64_t columns : {std::int64_t{1}, std::int64_t{6}, 14 - rows}) {
        check(size_of(1, rows, columns, 16, 17, taps, {p, p, p, p}));
        check(size_of(2, rows, columns, 17, 16, taps, {taps, 0, taps - 1, 7}));
        check(size_of(1, rows, columns, 16, 16, taps, {0, taps - 1, 1, taps + 1}));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(takes_every_number_of_channels_and_images) {
  for (const std::int64_t taps : {3, 5}) {
    for (const std::int64_t in : {16, 19, 24, 31, 48, 70, 129}) {
      for (const std::int64_t out : {16, 21, 32, 41, 66, 100}) {
        check(size_of(3, 5, 7, in, out, taps, {1, 2, 2, 1}));
      }
    }
    check(same(0, 7, 16, 18, taps));
    check(same(29, 13, 34, 37, taps));
  }
}

// So many channels that the tiles of a few images are more than one chunk.
BOOST_AUTO_TEST_CASE(takes_more_than_one_chunk) { check(same(27, 8, 1024, 1024, 3)); }

BOOST_AUTO_TEST_CASE(rounds_at_most_four_times_as_much_as_the_direct_method) {
  for (const ConvolutionSize& size :
       {same(32, 7, 256, 256, 3), same(8, 14, 96, 704, 3), same(24, 7, 192, 384, 5)}) {
    check_rounding(size, filtered);
  }
}

BOOST_AUTO_TEST_CASE(gives_the_same_bits_for_one_and_two_threads) {
  for (const std::int64_t taps : {3, 5}) {
    check_one_and_two_threads(same(29, 13, 34, 70, taps), filtered);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
