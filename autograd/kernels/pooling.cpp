#include <algorithm>
#include <lamina/autograd/kernels/pooling.hpp>
#include <lamina/autograd/kernels/scratch.hpp>
#include <lamina/autograd/kernels/tiled_pooling.hpp>
#include <lamina/autograd/tensor/parallel.hpp>

namespace lamina::kernels {

namespace {

// Element visits that are worth a tile of their own.
constexpr std::int64_t kTileVisits = std::int64_t{1} << 16;

// Calls body(image, first and last row of outputs) for groups of lines, on the pool.
template <class Body>
void for_line_groups(const PoolingSize& size, Body&& body) {
  const std::int64_t lines = size.images * size.rows.out;
  const std::int64_t visits =
      std::max<std::int64_t>(1, size.columns.out * size.window() * size.channels);
  const std::int64_t per_tile = std::max<std::int64_t>(1, kTileVisits / visits);
  parallel_for((lines + per_tile - 1) / per_tile, [&](std::int64_t tile) {
    const std::int64_t last = std::min(lines, (tile + 1) * per_tile);
    for (std::int64_t line = tile * per_tile; line < last;) {
      const std::int64_t image = line / size.rows.out;
      const std::int64_t end = std::min(last, (image + 1) * size.rows.out);
      body(image, line - image * size.rows.out, end - image * size.rows.out);
      line = end;
    }
  });
}

// Calls body(image, row of outputs) for every line, on the pool.
template <class Body>
void for_lines(const PoolingSize& size, Body&& body) {
  for_line_groups(size, [&](std::int64_t image, std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) body(image, row);
  });
}

// Calls body(image) for every image, on the pool: for what adds into overlapping windows.
template <class Body>
void for_images(const PoolingSize& size, Body&& body) {
  const std::int64_t visits =
      std::max<std::int64_t>(1, size.rows.out * size.columns.out * size.window() * size.channels);
  const std::int64_t per_tile = std::max<std::int64_t>(1, kTileVisits / visits);
  parallel_for((size.images + per_tile - 1) / per_tile, [&](std::int64_t tile) {
    const std::int64_t last = std::min(size.images, (tile + 1) * per_tile);
    for (std::int64_t image = tile * per_tile; image < last; ++image) body(image);
  });
}

std::int64_t input_offset(const PoolingSize& size, std::int64_t image, std::int64_t row,
                          std::int64_t column) {
  return ((image * size.rows.in + row) * size.columns.in + column) * size.channels;
}

std::int64_t output_offset(const PoolingSize& size, std::int64_t image, std::int64_t row,
                           std::int64_t column) {
  return ((image * size.rows.out + row) * size.columns.out + column) * size.channels;
}

// Calls body(offset of the input, tap number, whether it is the first) for the elements of a
// window.
template <class Body>
void for_taps(const PoolingSize& size, std::int64_t image, std::int64_t row, std::int64_t column,
              Body&& body) {
  const auto rows = size.rows.taps(row);
  const auto columns = size.columns.taps(column);
  bool first = true;
  for (std::int64_t a = rows.first; a < rows.last; ++a) {
    for (std::int64_t b = columns.first; b < columns.last; ++b) {
      body(input_offset(size, image, size.rows.origin(row) + a, size.columns.origin(column) + b),
           a * size.columns.kernel + b, first);
      first = false;
    }
  }
}

// Where every tap of a window lies, counted from the window's origin.
class TapOffsets {
 public:
  explicit TapOffsets(const PoolingSize& size) : size_(size), offsets_(size.window()) {
    for (std::int64_t tap = 0; tap < size.window(); ++tap) {
      offsets_.data()[tap] =
          (tap / size.columns.kernel * size.columns.in + tap % size.columns.kernel) * size.channels;
    }
  }

  // Calls body(offset in the input, offset in the output) for every winner of one line.
  template <class Index, class Body>
  void for_winners(std::int64_t image, std::int64_t row, const Index* winners, Body&& body) const {
    for (std::int64_t column = 0; column < size_.columns.out; ++column) {
      const std::int64_t origin =
          input_offset(size_, image, size_.rows.origin(row), size_.columns.origin(column));
      const std::int64_t at = output_offset(size_, image, row, column);
      for (std::int64_t c = 0; c < size_.channels; ++c) {
        body(origin + offsets_.data()[winners[at + c]] + c, at + c);
      }
    }
  }

 private:
  const PoolingSize& size_;
  Scratch<std::int64_t> offsets_;
};

// The maxima of channels [0, count) of one window whose elements begin at x; count <= kStrip.
template <Scalar T, class Index>
void max_of_window(const PoolingSize& size, std::int64_t image, std::int64_t row,
                   std::int64_t column, std::int64_t count, const T* x, T* y, Index* winners) {
  alignas(64) T best[kStrip];
  alignas(64) TapNumber<T> winner[kStrip];
  for_taps(size, image, row, column, [&](std::int64_t from, std::int64_t tap, bool first) {
    const T* in = x + from;
    const auto number = static_cast<TapNumber<T>>(tap);
    if (first) {
      std::copy_n(in, count, best);
      std::fill_n(winner, count, number);
      return;
    }
    for (std::int64_t c = 0; c < count; ++c) keep_larger(in[c], number, best[c], winner[c]);
  });
  std::copy_n(best, count, y);
  for (std::int64_t c = 0; c < count; ++c) winners[c] = static_cast<Index>(winner[c]);
}

// Images of one channel (every channel of channels-first ones): here the strips run along the line.
// Calls body(offset in the input, first and last output column, tap number) for every tap that
// touches columns [first, last) of a line; output column j reads offset + j * stride.
template <class Body>
void for_taps_of_plane(const PoolingSize& size, std::int64_t image, std::int64_t row,
                       std::int64_t first, std::int64_t last, Body&& body) {
  const auto rows = size.rows.taps(row);
  for (std::int64_t a = rows.first; a < rows.last; ++a) {
    for (std::int64_t b = 0; b < size.columns.kernel; ++b) {
      const auto inside = size.columns.positions(b);
      body(input_offset(size, image, size.rows.origin(row) + a, b - size.columns.before),
           std::max(first, inside.first), std::min(last, inside.last), a * size.columns.kernel + b);
    }
  }
}

template <Scalar T, class Index>
void max_of_plane_line(const PoolingSize& size, std::int64_t image, std::int64_t row, const T* x,
                       T* y, Index* winners) {
  const std::int64_t stride = size.columns.stride;
  for (std::int64_t strip = 0; strip < size.columns.out; strip += kStrip) {
    const std::int64_t end = std::min(size.columns.out, strip + kStrip);
    alignas(64) T best[kStrip];
    alignas(64) TapNumber<T> winner[kStrip];
    // The first element of every window, which the loop below then compares with itself.
    const std::int64_t top = size.rows.taps(row).first;
    for (std::int64_t j = strip; j < end; ++j) {
      const std::int64_t left = size.columns.taps(j).first;
      best[j - strip] =
          x[input_offset(size, image, size.rows.origin(row) + top, size.columns.origin(j) + left)];
      winner[j - strip] = static_cast<TapNumber<T>>(top * size.columns.kernel + left);
    }
    for_taps_of_plane(
        size, image, row, strip, end,
        [&](std::int64_t from, std::int64_t first, std::int64_t last, std::int64_t tap) {
          const auto number = static_cast<TapNumber<T>>(tap);
          for (std::int64_t j = first; j < last; ++j) {
            keep_larger(x[from + j * stride], number, best[j - strip], winner[j - strip]);
          }
        });
    for (std::int64_t j = strip; j < end; ++j) {
      const std::int64_t to = output_offset(size, image, row, j);
      y[to] = best[j - strip];
      winners[to] = static_cast<Index>(winner[j - strip]);
    }
  }
}

// The number of elements in every window.
template <Scalar T>
class WindowElements {
 public:
  explicit WindowElements(const PoolingSize& size) : size_(size), columns_(size.columns.out) {
    for (std::int64_t column = 0; column < size.columns.out; ++column) {
      const auto [first, last] = size.columns.taps(column);
      columns_.data()[column] = static_cast<T>(last - first);
    }
  }
  // Of all rows of a window; times column(j) gives the elements.
  T row(std::int64_t row) const {
    const auto [first, last] = size_.rows.taps(row);
    return static_cast<T>(last - first);
  }
  T column(std::int64_t column) const { return columns_.data()[column]; }

 private:
  const PoolingSize& size_;
  Scratch<T> columns_;
};

template <Scalar T>
void average_of_plane_line(const PoolingSize& size, std::int64_t image, std::int64_t row,
                           const WindowElements<T>& elements, const T* x, T* y) {
  T* const sum = y + output_offset(size, image, row, 0);
  std::fill_n(sum, size.columns.out, T{0});
  for_taps_of_plane(size, image, row, 0, size.columns.out,
                    [&](std::int64_t from, std::int64_t first, std::int64_t last, std::int64_t) {
                      for (std::int64_t j = first; j < last; ++j) {
                        sum[j] += x[from + j * size.columns.stride];
                      }
                    });
  const T rows = elements.row(row);
  for (std::int64_t j = 0; j < size.columns.out; ++j) sum[j] /= rows * elements.column(j);
}

// Adds the shares of a line of outputs to every element of their windows.
template <Scalar T>
void spread_line(const PoolingSize& size, std::int64_t image, std::int64_t row, const T* share,
                 T* x) {
  if (size.channels == 1) {
    for_taps_of_plane(size, image, row, 0, size.columns.out,
                      [&](std::int64_t to, std::int64_t first, std::int64_t last, std::int64_t) {
                        for (std::int64_t j = first; j < last; ++j) {
                          x[to + j * size.columns.stride] += share[j];
                        }
                      });
    return;
  }
  for (std::int64_t column = 0; column < size.columns.out; ++column) {
    const T* from = share + column * size.channels;
    for_taps(size, image, row, column, [&](std::int64_t to, std::int64_t, bool) {
      for (std::int64_t c = 0; c < size.channels; ++c) x[to + c] += from[c];
    });
  }
}

template <int edge, Scalar T, class Index>
void max_pooling_of_planes(const PoolingSize& size, const T* x, T* y, Index* winners) {
  for_line_groups(size, [&](std::int64_t image, std::int64_t first, std::int64_t last) {
    const std::int64_t to = output_offset(size, image, first, 0);
    max_of_plane_tiles<edge>(x + input_offset(size, image, first * edge, 0), last - first,
                             size.columns.out, y + to, winners + to);
  });
}

template <int edge, Scalar T, class Index>
void max_scatter_to_tiles(const PoolingSize& size, const T* y, const Index* winners, T* x) {
  const std::int64_t row_step = size.columns.in * size.channels;
  const std::int64_t covered = size.columns.out * edge * size.channels;
  for_images(size, [&](std::int64_t image) {
    T* const to = x + input_offset(size, image, 0, 0);
    const std::int64_t from = output_offset(size, image, 0, 0);
    if (size.channels == 1) {
      scatter_to_plane_tiles<edge>(y + from, winners + from, size.rows.out, size.columns.out, to);
    } else {
      const std::int64_t line = size.columns.out * size.channels;
      for (std::int64_t row = 0; row < size.rows.out; ++row) {
        scatter_to_tiles<edge>(y + from + row * line, winners + from + row * line, row_step,
                               size.columns.out, size.channels, to + row * edge * row_step);
      }
    }
    // What no window covers.
    for (std::int64_t row = 0; row < size.rows.out * edge; ++row) {
      std::fill(to + row * row_step + covered, to + (row + 1) * row_step, T{0});
    }
    std::fill(to + size.rows.out * edge * row_step, to + size.rows.in * row_step, T{0});
  });
}

}  // namespace

template <Scalar T, class Index>
void max_pooling(const PoolingSize& size, const T* x, T* y, Index* winners) {
  const std::int64_t edge = size.channels == 1 ? tiled_edge(size) : 0;
  if (edge == 2) return max_pooling_of_planes<2>(size, x, y, winners);
  if (edge == 3) return max_pooling_of_planes<3>(size, x, y, winners);
  for_lines(size, [&](std::int64_t image, std::int64_t row) {
    if (size.channels == 1) return max_of_plane_line(size, image, row, x, y, winners);
    for (std::int64_t column = 0; column < size.columns.out; ++column) {
      const std::int64_t to = output_offset(size, image, row, column);
      for (std::int64_t c = 0; c < size.channels; c += kStrip) {
        max_of_window(size, image, row, column, std::min(kStrip, size.channels - c), x + c,
                      y + to + c, winners + to + c);
      }
    }
  });
}

template <Scalar T, class Index>
void max_scatter(const PoolingSize& size, const T* y, const Index* winners, T* x) {
  const std::int64_t edge = tiled_edge(size);
  if (edge == 2) return max_scatter_to_tiles<2>(size, y, winners, x);
  if (edge == 3) return max_scatter_to_tiles<3>(size, y, winners, x);
  const std::int64_t image_size = size.rows.in * size.columns.in * size.channels;
  const TapOffsets taps(size);
  for_images(size, [&](std::int64_t image) {
    std::fill_n(x + image * image_size, image_size, T{0});
    for (std::int64_t row = 0; row < size.rows.out; ++row) {
      taps.for_winners(image, row, winners,
                       [&](std::int64_t in, std::int64_t out) { x[in] += y[out]; });
    }
  });
}

template <Scalar T, class Index>
void max_gather(const PoolingSize& size, const T* x, const Index* winners, T* y) {
  const TapOffsets taps(size);
  for_lines(size, [&](std::int64_t image, std::int64_t row) {
    taps.for_winners(image, row, winners,
                     [&](std::int64_t in, std::int64_t out) { y[out] = x[in]; });
  });
}

template <Scalar T>
void average_pooling(const PoolingSize& size, const T* x, T* y) {
  const WindowElements<T> elements(size);
  for_lines(size, [&](std::int64_t image, std::int64_t row) {
    if (size.channels == 1) return average_of_plane_line(size, image, row, elements, x, y);
    for (std::int64_t column = 0; column < size.columns.out; ++column) {
      T* const sum = y + output_offset(size, image, row, column);
      for_taps(size, image, row, column, [&](std::int64_t from, std::int64_t, bool first) {
        const T* in = x + from;
        if (first) {
          std::copy_n(in, size.channels, sum);
          return;
        }
        for (std::int64_t c = 0; c < size.channels; ++c) sum[c] += in[c];
      });
      const T count = elements.row(row) * elements.column(column);
      for (std::int64_t c = 0; c < size.channels; ++c) sum[c] /= count;
    }
  });
}

template <Scalar T>
void average_spread(const PoolingSize& size, const T* y, T* x) {
  const std::int64_t image_size = size.rows.in * size.columns.in * size.channels;
  const std::int64_t line_size = size.columns.out * size.channels;
  const WindowElements<T> elements(size);
  for_images(size, [&](std::int64_t image) {
    std::fill_n(x + image * image_size, image_size, T{0});
    Scratch<T> shares(line_size);
    T* const share = shares.data();
    for (std::int64_t row = 0; row < size.rows.out; ++row) {
      const T* in = y + output_offset(size, image, row, 0);
      const T rows = elements.row(row);
      for (std::int64_t column = 0; column < size.columns.out; ++column) {
        const T count = rows * elements.column(column);
        const std::int64_t first = column * size.channels;
        for (std::int64_t c = 0; c < size.channels; ++c) share[first + c] = in[first + c] / count;
      }
      spread_line(size, image, row, share, x);
    }
  });
}

#define LAMINA_INSTANTIATE_MAX(T, Index)                                     \
  template void max_pooling(const PoolingSize&, const T*, T*, Index*);       \
  template void max_scatter(const PoolingSize&, const T*, const Index*, T*); \
  template void max_gather(const PoolingSize&, const T*, const Index*, T*);
#define LAMINA_INSTANTIATE(T)                                      \
  LAMINA_INSTANTIATE_MAX(T, std::uint8_t)                          \
  LAMINA_INSTANTIATE_MAX(T, std::int64_t)                          \
  template void average_pooling(const PoolingSize&, const T*, T*); \
  template void average_spread(const PoolingSize&, const T*, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE
#undef LAMINA_INSTANTIATE_MAX

}  // namespace lamina::kernels
