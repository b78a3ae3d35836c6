// Compiled once per level, with LAMINA_LEVEL the name of the level; see vector.hpp for what may
// stand here.
#include <lamina/autograd/kernels/levels/integers.hpp>
#include <lamina/autograd/kernels/levels/mask.hpp>
#include <lamina/autograd/kernels/levels/transpose.hpp>
#include <lamina/autograd/kernels/levels/transpose_square.hpp>

namespace lamina::kernels {
namespace {

// Rows that make one line of the cache in the output: it is written whole, so that it need not be
// read.
constexpr std::int64_t kLine = 16;

struct Matrix {
  const float* in;
  std::int64_t in_step;
  float* out;
  std::int64_t out_step;

  LAMINA_INLINE Matrix at(std::int64_t i, std::int64_t j) const {
    return {in + i * in_step + j, in_step, out + j * out_step + i, out_step};
  }
};

// kLine rows by kLanes columns.
template <bool streaming>
LAMINA_INLINE void transpose_lines(const Matrix& m) {
  constexpr int kParts = kLine / kLanes;
  Vector part[kParts][kLanes];
  unroll<kParts>([&](auto p) {
    unroll<kLanes>([&](auto i) { part[p][i] = load(m.in + (p * kLanes + i) * m.in_step); });
    transpose(part[p]);
  });
  unroll<kLanes>([&](auto j) {
    unroll<kParts>([&](auto p) {
      float* const to = m.out + j * m.out_step + p * kLanes;
      streaming ? store_past_caches(to, part[p][j]) : store(to, part[p][j]);
    });
  });
}

// What is left at the edges: at most kLanes rows and columns.
LAMINA_INLINE void transpose_rest(const Matrix& m, std::int64_t rows, std::int64_t columns) {
  const Mask read = first_lanes(columns), written = first_lanes(rows);
  Vector part[kLanes];
  for (std::int64_t i = 0; i < kLanes; ++i) {
    part[i] = i < rows ? load(read, m.in + i * m.in_step) : broadcast(0);
  }
  transpose(part);
  for (std::int64_t j = 0; j < columns; ++j) store(written, m.out + j * m.out_step, part[j]);
}

// At most kLine rows by kLanes columns.
template <bool streaming>
LAMINA_INLINE void transpose_part(const Matrix& m, std::int64_t rows, std::int64_t columns) {
  if (rows >= kLine && columns >= kLanes) return transpose_lines<streaming>(m);
  for (std::int64_t i = 0; i < smaller(rows, kLine); i += kLanes) {
    transpose_rest(m.at(i, 0), smaller(rows - i, kLanes), smaller(columns, kLanes));
  }
}

// Along the longer side, so that either the rows that are read or those that are written are few
// enough streams for the processor to see them coming.
template <bool streaming>
LAMINA_INLINE void transpose_matrix(const Matrix& m, std::int64_t rows, std::int64_t columns) {
  const auto part = [&](std::int64_t i, std::int64_t j) {
    transpose_part<streaming>(m.at(i, j), rows - i, columns - j);
  };
  if (columns >= rows) {
    for (std::int64_t i = 0; i < rows; i += kLine) {
      for (std::int64_t j = 0; j < columns; j += kLanes) part(i, j);
    }
  } else {
    for (std::int64_t j = 0; j < columns; j += kLanes) {
      for (std::int64_t i = 0; i < rows; i += kLine) part(i, j);
    }
  }
}

void transpose_all(const float* in, std::int64_t in_step, std::int64_t rows, std::int64_t columns,
                   float* out, std::int64_t out_step, bool past_caches) {
  const Matrix m{in, in_step, out, out_step};
  if (past_caches && aligned(out) && out_step % kLanes == 0) {
    transpose_matrix<true>(m, rows, columns);
    order_stores();
  } else {
    transpose_matrix<false>(m, rows, columns);
  }
}

}  // namespace

Transpose LAMINA_LEVEL::transpose() { return transpose_all; }

}  // namespace lamina::kernels
