// Max pooling whose windows lie side by side, as most networks have it: squares of 2 or 3, as wide
// as their stride, without padding. Their extents are constants here, and an element belongs to one
// window, so that its gradient is written instead of added. What it computes: pooling.hpp; only
// pooling.cpp includes this.
#pragma once

#include <algorithm>
#include <lamina/autograd/kernels/pooling.hpp>
#include <type_traits>

namespace lamina::kernels {

// Maxima are found in strips that stay in registers or the nearest cache.
constexpr std::int64_t kStrip = 64;
// Of one channel, rows of a plane are taken as one run.
constexpr std::int64_t kRun = 512;
constexpr std::int64_t kRunPadding = 8;  // lets short loops end with whole vectors

// A tap number as wide as T, so that value and number are chosen by one vector mask.
template <Scalar T>
using TapNumber = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

template <Scalar T>
void keep_larger(T value, TapNumber<T> number, T& best, TapNumber<T>& winner) {
  // Not (value <= best) is true for a NaN in either; a NaN that already won stays.
  const bool wins = !(value <= best) & (best == best);
  best = wins ? value : best;
  winner = wins ? number : winner;
}

// The extent of windows that lie side by side, or 0. Of one channel they must fill the rows, which
// must not be longer than a run.
inline std::int64_t tiled_edge(const PoolingSize& size) {
  const std::int64_t edge = size.rows.kernel;
  const auto tiles = [&](const WindowAxis& axis) {
    return axis.kernel == edge && axis.stride == edge && axis.dilation == 1 && axis.before == 0 &&
           axis.out * edge <= axis.in;
  };
  const std::int64_t row = size.columns.out * edge;
  const bool runs = size.columns.in == row && row <= kRun && row > 0;
  return (edge == 2 || edge == 3) && tiles(size.rows) && tiles(size.columns) &&
                 (size.channels > 1 || runs)
             ? edge
             : 0;
}

// Channels side by side: one line of y to its winners, 0 to the other elements of the windows,
// whose rows lie `row_step` apart.
template <int edge, Scalar T, class Index>
void scatter_to_tiles(const T* y, const Index* winners, std::int64_t row_step, std::int64_t columns,
                      std::int64_t channels, T* x) {
  alignas(64) T value[kStrip];
  alignas(64) TapNumber<T> winner[kStrip];
  for (std::int64_t column = 0; column < columns; ++column) {
    for (std::int64_t first = 0; first < channels; first += kStrip) {
      const std::int64_t count = std::min(kStrip, channels - first);
      const std::int64_t from = column * channels + first;
      T* const window = x + column * edge * channels + first;
      std::copy_n(y + from, count, value);
      for (std::int64_t i = 0; i < count; ++i) {
        winner[i] = static_cast<TapNumber<T>>(winners[from + i]);
      }
      for (int tap = 0; tap < edge * edge; ++tap) {
        T* const to = window + tap / edge * row_step + tap % edge * channels;
        for (std::int64_t i = 0; i < count; ++i) to[i] = winner[i] == tap ? value[i] : T{0};
      }
    }
  }
}

// One channel, and nothing between the windows: the rows of a plane are one run, whose maxima along
// the rows are found first, in loops that are long however small the plane is.
template <int edge, Scalar T, class Index>
void max_of_plane_tiles(const T* x, std::int64_t rows, std::int64_t columns, T* y, Index* winners) {
  alignas(64) T value[kRun + kRunPadding] = {};
  alignas(64) TapNumber<T> winner[kRun + kRunPadding] = {};
  alignas(64) T best[kRun / edge + kRunPadding];
  alignas(64) TapNumber<T> best_winner[kRun / edge + kRunPadding];
  const std::int64_t padded = (columns + kRunPadding - 1) / kRunPadding * kRunPadding;
  const std::int64_t step = kRun / (edge * columns);
  for (std::int64_t first = 0; first < rows; first += step) {
    const std::int64_t lines = std::min(step, rows - first);
    const std::int64_t count = lines * edge * columns;
    const T* const from = x + first * edge * columns * edge;
    for (std::int64_t i = 0; i < count; ++i) value[i] = from[i * edge];
    std::fill_n(winner, count, TapNumber<T>{0});
    for (int tap = 1; tap < edge; ++tap) {
      const auto number = static_cast<TapNumber<T>>(tap);
      for (std::int64_t i = 0; i < count; ++i) {
        keep_larger(from[i * edge + tap], number, value[i], winner[i]);
      }
    }
    for (std::int64_t line = 0; line < lines; ++line) {
      const T* row_value = value + line * edge * columns;
      const TapNumber<T>* row_winner = winner + line * edge * columns;
      std::copy_n(row_value, padded, best);
      std::copy_n(row_winner, padded, best_winner);
      for (int row = 1; row < edge; ++row) {
        row_value += columns;
        row_winner += columns;
        const auto number = static_cast<TapNumber<T>>(row * edge);
        for (std::int64_t i = 0; i < padded; ++i) {
          keep_larger(row_value[i], row_winner[i] + number, best[i], best_winner[i]);
        }
      }
      const std::int64_t to = (first + line) * columns;
      std::copy_n(best, columns, y + to);
      for (std::int64_t i = 0; i < columns; ++i) {
        winners[to + i] = static_cast<Index>(best_winner[i]);
      }
    }
  }
}

template <int edge, Scalar T, class Index>
void scatter_to_plane_tiles(const T* y, const Index* winners, std::int64_t rows,
                            std::int64_t columns, T* x) {
  alignas(64) T value[kRun];
  alignas(64) TapNumber<T> winner[kRun];  // counted from the first tap of its row
  const std::int64_t step = kRun / (edge * columns);
  for (std::int64_t first = 0; first < rows; first += step) {
    const std::int64_t lines = std::min(step, rows - first);
    const std::int64_t count = lines * edge * columns;
    for (std::int64_t row = 0; row < lines * edge; ++row) {
      const std::int64_t from = (first + row / edge) * columns;
      const auto first_tap = static_cast<TapNumber<T>>(row % edge * edge);
      std::copy_n(y + from, columns, value + row * columns);
      for (std::int64_t i = 0; i < columns; ++i) {
        winner[row * columns + i] = static_cast<TapNumber<T>>(winners[from + i]) - first_tap;
      }
    }
    T* const to = x + first * edge * columns * edge;
    for (std::int64_t i = 0; i < count; ++i) {
      for (int tap = 0; tap < edge; ++tap) {
        to[i * edge + tap] = winner[i] == tap ? value[i] : T{0};
      }
    }
  }
}

}  // namespace lamina::kernels
