// Compiled once per level, with LAMINA_LEVEL the name of the level; see vector.hpp for what may
// stand here, and matrix_product.hpp for what the function does.
//
// A panel of B, two vectors wide and one chain of the sum deep, is laid out in the first-level
// cache (transposed where B is), and multiplied by a band of rows of A, which are read where they
// lie: one tile of registers after the other, and meanwhile the next panel is called from memory.
//   panel   [inner index][kLanes or 2 kLanes columns], 0 beyond the last column
#include <lamina/autograd/kernels/levels/integers.hpp>
#include <lamina/autograd/kernels/levels/mask.hpp>
#include <lamina/autograd/kernels/levels/matrix_product.hpp>
#include <lamina/autograd/kernels/levels/product.hpp>
#include <lamina/autograd/kernels/levels/transpose_square.hpp>

namespace lamina::kernels {
namespace {

constexpr std::int64_t kChain = kProductChain;  // a panel has 16 or 32 KiB
constexpr std::int64_t kBand = 256;  // one chain of its rows has 256 KiB: the second-level cache
constexpr std::int64_t kWidth = 2 * kLanes;

// The length of parts of `extent` that are about equal, at most `most`, a multiple of `unit`.
LAMINA_INLINE std::int64_t part_length(std::int64_t extent, std::int64_t most, std::int64_t unit) {
  if (extent <= most) return extent;
  const std::int64_t parts = (extent + most - 1) / most;
  return smaller(most, ((extent + parts - 1) / parts + unit - 1) / unit * unit);
}

LAMINA_INLINE bool is_aligned(const float* c, std::int64_t c_stride) {
  return reinterpret_cast<std::uintptr_t>(c) % sizeof(Vector) == 0 && c_stride % kLanes == 0;
}

LAMINA_INLINE ProductOperand from(ProductOperand a, std::int64_t row, std::int64_t column) {
  return {a.data + row * a.row_step + column * a.column_step, a.row_step, a.column_step};
}

// What the tiles of a band and a panel share. By reference, and what differs in registers:
// arguments that are copied through memory in other sizes than they were written in make every tile
// wait for the one before it.
struct TileSetting {
  std::int64_t a_row_step, a_inner_step;
  Panels<const float> b;
  std::int64_t inner;
  ProductStore how;
  std::int64_t c_stride;
  std::int64_t columns;
};

// vectors * kLanes columns of C, or fewer: then only these are touched.
template <int rows, int vectors>
void tile(const TileSetting& setting, const float* a, float* c) {
  const std::int64_t c_stride = setting.c_stride, columns = setting.columns;
  const ProductStore how = setting.how;
  const auto at = [&](int i) __attribute__((always_inline)) {
    return c + i / vectors * c_stride + i % vectors * kLanes;
  };
  Vector sum[rows * vectors];
  sum_products<rows, vectors>({a, setting.a_row_step, setting.a_inner_step}, setting.b,
                              setting.inner, sum);
  if (columns == vectors * kLanes) {
    if (how == ProductStore::add) {
      unroll<rows * vectors>([&](auto i) { store(at(i), load(at(i)) + sum[i]); });
    } else if (how == ProductStore::stream) {
      unroll<rows * vectors>([&](auto i) { store_past_caches(at(i), sum[i]); });
    } else {
      unroll<rows * vectors>([&](auto i) { store(at(i), sum[i]); });
    }
    return;
  }
  const bool add = how == ProductStore::add;
  unroll<rows * vectors>([&](auto i) {
    constexpr int begin = i % vectors * kLanes;
    const std::int64_t count = smaller(kLanes, columns - begin);
    store_first(at(i), add ? load_first(at(i), count) + sum[i] : sum[i], count);
  });
}

using Tile = void (*)(const TileSetting&, const float* a, float* c);

struct Tiles {
  Tile of[2][kTileRows];  // [vectors - 1][rows - 1]
};

constexpr Tiles kTiles = [] {
  Tiles tiles{};
  unroll<kTileRows>([&](auto i) {
    constexpr int rows = decltype(i){} + 1;
    tiles.of[0][i] = tile<rows, 1>;
    tiles.of[1][i] = tile<rows, 2>;
  });
  return tiles;
}();

// B read across its rows: `width` is kLanes or kWidth, `columns` at most that.
LAMINA_INLINE void copy_rows(ProductOperand b, std::int64_t inner, std::int64_t columns,
                             std::int64_t width, float* panel) {
  for (std::int64_t k = 0; k < inner; ++k) {
    for (std::int64_t begin = 0; begin < width; begin += kLanes) {
      const float* const at = b.data + k * b.row_step + begin;
      store(panel + k * width + begin,
            columns - begin >= kLanes ? load(at) : load_first(at, columns - begin));
    }
  }
}

// B read along its columns; the last square may be written past `inner`, up to kChain.
LAMINA_INLINE void copy_columns(ProductOperand b, std::int64_t inner, std::int64_t columns,
                                std::int64_t width, float* panel) {
  for (std::int64_t begin = 0; begin < width; begin += kLanes) {
    for (std::int64_t k = 0; k < inner; k += kLanes) {
      const float* const at = b.data + k + begin * b.column_step;
      const std::int64_t length = smaller(kLanes, inner - k);
      Vector square[kLanes];
      if (length == kLanes && columns - begin >= kLanes) {
        unroll<kLanes>([&](auto i) { square[i] = load(at + i * b.column_step); });
      } else {
        for (std::int64_t i = 0; i < kLanes; ++i) {
          square[i] =
              i < columns - begin ? load_first(at + i * b.column_step, length) : broadcast(0);
        }
      }
      transpose(square);
      unroll<kLanes>([&](auto i) { store(panel + (k + i) * width + begin, square[i]); });
    }
  }
}

// The memory of one panel of B: `count` runs of `length` floats.
struct Runs {
  const float* data;
  std::int64_t step, count, length;

  LAMINA_INLINE void prefetch_part(std::int64_t part, std::int64_t parts) const {
    const std::int64_t share = (count + parts - 1) / parts;
    const std::int64_t end = smaller(count, (part + 1) * share);
    for (std::int64_t run = part * share; run < end; ++run) {
      for (std::int64_t i = 0; i < length; i += 16) prefetch(data + run * step + i);
    }
  }
};

LAMINA_INLINE Runs runs_of(ProductOperand b, std::int64_t inner, std::int64_t columns) {
  if (b.column_step == 1) return {b.data, b.row_step, inner, columns};
  return {b.data, b.column_step, columns, inner};
}

// All rows of a band times one panel of B.
LAMINA_INLINE void multiply_panel(std::int64_t rows, std::int64_t columns, std::int64_t inner,
                                  ProductOperand a, Panels<const float> b, const Runs& next,
                                  ProductStore how, float* c, std::int64_t c_stride) {
  const Tile* const tiles = kTiles.of[columns > kLanes ? 1 : 0];
  const TileSetting setting{.a_row_step = a.row_step,
                            .a_inner_step = a.column_step,
                            .b = b,
                            .inner = inner,
                            .how = how,
                            .c_stride = c_stride,
                            .columns = columns};
  const std::int64_t parts = (rows + kTileRows - 1) / kTileRows;
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t row = part * kTileRows;
    next.prefetch_part(part, parts);
    tiles[smaller(kTileRows, rows - row) - 1](setting, a.data + row * a.row_step,
                                              c + row * c_stride);
  }
}

}  // namespace

void LAMINA_LEVEL::matrix_product(std::int64_t rows, std::int64_t columns, std::int64_t inner,
                                  ProductOperand a, ProductOperand b, float* c,
                                  std::int64_t c_stride, ProductStore how) {
  alignas(64) float panel[kChain * kWidth];
  const std::int64_t band = part_length(rows, kBand, kTileRows);
  const std::int64_t chain = part_length(inner, kChain, kProductChainUnit);
  // What comes back for the next chain had better stay in the caches.
  if (how == ProductStore::stream && (chain < inner || !is_aligned(c, c_stride))) {
    how = ProductStore::assign;
  }
  // A panel that is read once need not be laid out.
  const bool in_place = b.column_step == 1 && rows <= kTileRows;
  for (std::int64_t row = 0; row < rows; row += band) {
    const std::int64_t height = smaller(band, rows - row);
    for (std::int64_t k = 0; k < inner; k += chain) {
      const std::int64_t length = smaller(chain, inner - k);
      for (std::int64_t column = 0; column < columns; column += kWidth) {
        const std::int64_t count = smaller(kWidth, columns - column);
        const std::int64_t width = count > kLanes ? kWidth : kLanes;
        const ProductOperand right = from(b, k, column);
        Panels<const float> source{panel, kLanes, width};
        if (in_place && count == width) {
          source = {right.data, kLanes, right.row_step};
        } else if (b.column_step == 1) {
          copy_rows(right, length, count, width, panel);
        } else {
          copy_columns(right, length, count, width, panel);
        }
        Runs next{};
        if (column + kWidth < columns) {
          next = runs_of(from(b, k, column + kWidth), length,
                         smaller(kWidth, columns - column - kWidth));
        } else if (k + chain < inner) {
          next = runs_of(from(b, k + chain, 0), smaller(chain, inner - k - chain),
                         smaller(kWidth, columns));
        }
        multiply_panel(height, count, length, from(a, row, k), source, next,
                       k > 0 ? ProductStore::add : how, c + row * c_stride + column, c_stride);
      }
    }
  }
  if (how == ProductStore::stream) order_stores();
}

}  // namespace lamina::kernels
