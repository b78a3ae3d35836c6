// Compiled once per level, with LAMINA_LEVEL the name of the level; see vector.hpp for what may
// stand here. Memory sets the pace, so that 8 lanes serve both levels.
#include <lamina/autograd/kernels/levels/transpose.hpp>
#include <lamina/autograd/kernels/levels/vector.hpp>

namespace lamina::kernels {
namespace {

constexpr std::int64_t kSide = 8;
constexpr std::int64_t kSquare = 16;  // a line of the cache is used whole, in rows and in columns

LAMINA_INLINE void transpose_side(const float* in, std::int64_t in_step, float* out,
                                  std::int64_t out_step) {
  // Rows i and i + 4 in the halves of one register: what then moves stays within its half.
  __m256 row[kSide], pair[kSide];
  unroll<4>([&](auto i) {
    const float* const low = in + i * in_step;
    const float* const high = low + 4 * in_step;
    unroll<2>([&](auto half) {
      row[i + 4 * half] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low + 4 * half)),
                                               _mm_loadu_ps(high + 4 * half), 1);
    });
  });
  unroll<2>([&](auto half) {
    const auto at = [&](int i) { return row[i + 4 * half]; };
    pair[4 * half] = _mm256_unpacklo_ps(at(0), at(1));
    pair[4 * half + 1] = _mm256_unpackhi_ps(at(0), at(1));
    pair[4 * half + 2] = _mm256_unpacklo_ps(at(2), at(3));
    pair[4 * half + 3] = _mm256_unpackhi_ps(at(2), at(3));
  });
  unroll<2>([&](auto half) {
    float* const to = out + 4 * half * out_step;
    const auto at = [&](int i) { return pair[i + 4 * half]; };
    _mm256_storeu_ps(to, _mm256_shuffle_ps(at(0), at(2), 0x44));
    _mm256_storeu_ps(to + out_step, _mm256_shuffle_ps(at(0), at(2), 0xEE));
    _mm256_storeu_ps(to + 2 * out_step, _mm256_shuffle_ps(at(1), at(3), 0x44));
    _mm256_storeu_ps(to + 3 * out_step, _mm256_shuffle_ps(at(1), at(3), 0xEE));
  });
}

void transpose_all(const float* in, std::int64_t in_step, std::int64_t rows, std::int64_t columns,
                   float* out, std::int64_t out_step) {
  const auto smaller = [](std::int64_t a, std::int64_t b) { return a < b ? a : b; };
  for (std::int64_t j0 = 0; j0 < columns; j0 += kSquare) {
    const std::int64_t j1 = smaller(columns, j0 + kSquare);
    for (std::int64_t i0 = 0; i0 < rows; i0 += kSquare) {
      const std::int64_t i1 = smaller(rows, i0 + kSquare);
      for (std::int64_t j = j0; j < j1; j += kSide) {
        for (std::int64_t i = i0; i < i1; i += kSide) {
          if (i + kSide <= i1 && j + kSide <= j1) {
            transpose_side(in + i * in_step + j, in_step, out + j * out_step + i, out_step);
            continue;
          }
          for (std::int64_t k = i; k < smaller(i1, i + kSide); ++k) {
            for (std::int64_t l = j; l < smaller(j1, j + kSide); ++l) {
              out[l * out_step + k] = in[k * in_step + l];
            }
          }
        }
      }
    }
  }
}

}  // namespace

Transpose LAMINA_LEVEL::transpose() { return transpose_all; }

}  // namespace lamina::kernels
