// Transposing: the kernels of every level of this machine, and strided_copy with axes in any order.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/kernels/levels/transpose.hpp>
#include <lamina/autograd/kernels/of_level.hpp>
#include <lamina/autograd/kernels/strided_copy.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <numeric>
#include <vector>

#include "convolution_cases.hpp"

namespace lamina::kernels {
namespace {

std::vector<float> counted(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 1.0F);
  return values;
}

BOOST_AUTO_TEST_SUITE(strided_copy_kernels)

BOOST_AUTO_TEST_CASE(a_level_transposes_every_extent_and_nothing_beside) {
#if defined(__x86_64__)
  const auto check = [](Transpose transpose, std::int64_t rows, std::int64_t columns) {
    const std::int64_t in_step = columns + 3;
    const auto in = counted(rows * in_step);
    // The second step is one of whole vectors, which may be written past the caches.
    for (const std::int64_t out_step : {rows + 5, (rows + 20) / 16 * 16}) {
      for (const bool past_caches : {false, true}) {
        auto out = Tensor<float>(Shape{columns, out_step}, -1.0F);
        transpose(in.data(), in_step, rows, columns, out.mutable_data(), out_step, past_caches);
        int wrong = 0;
        for (std::int64_t j = 0; j < columns; ++j) {
          for (std::int64_t i = 0; i < out_step; ++i) {
            const float expected = i < rows ? in[static_cast<std::size_t>(i * in_step + j)] : -1;
            if (out.data()[j * out_step + i] != expected) ++wrong;
          }
        }
        BOOST_TEST(wrong == 0, rows << " x " << columns << " by steps of " << out_step);
      }
    }
  };
  for (const InstructionSet level : test_cases::levels_with_kernels()) {
    const Transpose transpose = LAMINA_OF_LEVEL(level, transpose());
    for (std::int64_t rows = 0; rows <= 41; ++rows) {
      for (std::int64_t columns = 0; columns <= 41; ++columns) check(transpose, rows, columns);
    }
  }
#endif
}

// Images of four sizes: one tile, tiles of the first axis, tiles of another one, more than the
// caches hold.
BOOST_AUTO_TEST_CASE(axes_change_places) {
  for (const Shape& shape :
       {Shape{3, 5, 7, 9}, Shape{61, 35, 11, 13}, Shape{2, 17, 67, 71}, Shape{33, 64, 40, 40}}) {
    const auto in = counted(shape.size());
    for (const std::array<int, 4>& order :
         {std::array{0, 2, 3, 1}, {0, 3, 1, 2}, {3, 2, 1, 0}, {0, 1, 3, 2}, {1, 0, 2, 3}}) {
      Strides strides{};
      const Strides dense = dense_strides(shape);
      std::array<std::int64_t, 4> extents{};
      for (std::size_t i = 0; i < 4; ++i) {
        strides[i] = dense[static_cast<std::size_t>(order[i])];
        extents[i] = shape[order[i]];
      }
      const Shape moved{extents[0], extents[1], extents[2], extents[3]};
      std::vector<float> out(in.size(), -1);
      strided_copy(moved, in.data(), strides, out.data(), dense_strides(moved));
      std::size_t at = 0;
      int wrong = 0;
      for (std::int64_t a = 0; a < extents[0]; ++a) {
        for (std::int64_t b = 0; b < extents[1]; ++b) {
          for (std::int64_t c = 0; c < extents[2]; ++c) {
            for (std::int64_t d = 0; d < extents[3]; ++d) {
              const std::int64_t from =
                  a * strides[0] + b * strides[1] + c * strides[2] + d * strides[3];
              if (out[at++] != in[static_cast<std::size_t>(from)]) ++wrong;
            }
          }
        }
      }
      BOOST_TEST(wrong == 0, shape.to_string());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace lamina::kernels
