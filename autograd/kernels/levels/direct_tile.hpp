// The two tiles of registers that the direct method of convolution is made of, for the files of
// levels/ alone (see vector.hpp):
//
//   outputs    y[i][vector]    (+)= sum over the window's values k of x[i][k] w[k][vector]
//   gradient   dw[k][vector]     += sum over positions p of x[p][k] dy[p][vector]
//
// for i or k up to most_rows(vectors), and one or two vectors of output channels, of which the last
// may have fewer lanes. A value of x is read where it lies and meets all vectors at once.
#pragma once

#include <lamina/autograd/kernels/levels/mask.hpp>
#include <lamina/autograd/kernels/levels/row_addresses.hpp>

namespace lamina::kernels {
namespace {

// Windows are `rows` times `columns` runs of `run` values; one for all outputs of the tile.
struct OutputTile {
  const float* x;
  std::int64_t step;  // between the windows of two outputs
  std::int64_t rows, row_step;
  std::int64_t columns, column_step;
  std::int64_t run;
  const float* w;  // the vectors of a row's runs without gaps
  std::int64_t w_row_step;
  float* y;
  std::int64_t y_step;
  bool add, stream;
  Mask last_vector;
  // One line of the cache is asked for per value k, from here on: what the next tile reads.
  const float* ahead;
  std::int64_t ahead_step;
};

template <int rows, int vectors, bool partial>
void output_tile(const OutputTile& tile) {
  RowAddresses x(tile.step);
  Vector sum[rows * vectors];
  unroll<rows * vectors>([&](auto i) { sum[i] = broadcast(0); });
  const std::int64_t y_step = tile.y_step;
  const float* ahead = tile.ahead;
  const std::int64_t ahead_step = tile.ahead_step;
  const float* row_x = tile.x;
  const float* row_w = tile.w;
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    const float* w = row_w;
    const float* column_x = row_x;
    for (std::int64_t column = 0; column < tile.columns; ++column) {
      x.begin(column_x);
      for (std::int64_t k = tile.run; k > 0; --k) {
        add_row_products<rows, vectors>(x, w, sum);
        __builtin_prefetch(ahead);
        ahead += ahead_step;
        x.advance();
        w += vectors * kLanes;
      }
      column_x += tile.column_step;
    }
    row_x += tile.row_step;
    row_w += tile.w_row_step;
  }
  const Mask last_vector = tile.last_vector;
  float* y = tile.y;
  if (tile.add) {
    unroll<rows>([&](auto i) {
      unroll<vectors>([&](auto v) {
        constexpr int at = decltype(i){} * vectors + decltype(v){};
        if constexpr (partial && v == vectors - 1) {
          sum[at] = load(last_vector, y + v * kLanes) + sum[at];
        } else {
          sum[at] = load(y + v * kLanes) + sum[at];
        }
      });
      y += y_step;
    });
    y = tile.y;
  }
  if (tile.stream) {
    unroll<rows>([&](auto i) {
      unroll<vectors>([&](auto v) { store_past_caches(y + v * kLanes, sum[i * vectors + v]); });
      y += y_step;
    });
    return;
  }
  unroll<rows>([&](auto i) {
    unroll<vectors>([&](auto v) {
      constexpr int at = decltype(i){} * vectors + decltype(v){};
      if constexpr (partial && v == vectors - 1) {
        store(last_vector, y + v * kLanes, sum[at]);
      } else {
        store(y + v * kLanes, sum[at]);
      }
    });
    y += y_step;
  });
}

// Positions are `images` times `rows` times `columns`, with a distance of each in x and in dy.
struct GradientTile {
  const float* x;
  const float* dy;
  std::int64_t images, x_image_step, dy_image_step;
  std::int64_t rows, x_row_step, dy_row_step;
  std::int64_t columns, x_column_step, dy_column_step;
  float* sum = nullptr;
  std::int64_t sum_step = 0;
  // What will be read later is asked for meanwhile: the value of x at this distance from each one
  // (0: others have done so), and the vectors from `ahead` on, with a distance from position to
  // position.
  std::int64_t x_ahead = 0;
  const float* ahead = nullptr;
  std::int64_t ahead_step = 0;
};

template <int rows, int vectors>
void gradient_tile(const GradientTile& tile) {
  Vector sum[rows * vectors];
  unroll<rows * vectors>([&](auto i) { sum[i] = broadcast(0); });
  const float* ahead = tile.ahead;
  for (std::int64_t image = 0; image < tile.images; ++image) {
    for (std::int64_t row = 0; row < tile.rows; ++row) {
      const float* x = tile.x + image * tile.x_image_step + row * tile.x_row_step;
      const float* dy = tile.dy + image * tile.dy_image_step + row * tile.dy_row_step;
      for (std::int64_t column = 0; column < tile.columns; ++column) {
        Vector right[vectors];
        unroll<vectors>([&](auto v) { right[v] = load(dy + v * kLanes); });
        unroll<rows>([&](auto i) {
          const Vector left = broadcast(x[i]);
          unroll<vectors>([&](auto v) {
            constexpr int at = decltype(i){} * vectors + decltype(v){};
            sum[at] = add_product(left, right[v], sum[at]);
          });
        });
        prefetch(x + tile.x_ahead);
        unroll<vectors>([&](auto v) { prefetch(ahead + v * kLanes); });
        ahead += tile.ahead_step;
        x += tile.x_column_step;
        dy += tile.dy_column_step;
      }
    }
  }
  unroll<rows>([&](auto i) {
    unroll<vectors>([&](auto v) {
      constexpr int at = decltype(i){} * vectors + decltype(v){};
      float* const to = tile.sum + i * tile.sum_step + v * kLanes;
      store(to, load(to) + sum[at]);
    });
  });
}

}  // namespace
}  // namespace lamina::kernels
