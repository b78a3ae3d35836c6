// How a window walks along one spatial axis: output i and tap a read input i stride + a dilation -
// before.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lamina::kernels {

struct WindowAxis {
  std::int64_t in;      // extent of the input
  std::int64_t out;     // number of positions
  std::int64_t kernel;  // number of taps
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t before = 0;  // padding in front of the first element

  std::int64_t origin(std::int64_t position) const noexcept { return position * stride - before; }
  bool inside(std::int64_t at) const noexcept { return at >= 0 && at < in; }

  // The taps [first, last) of a position that lie inside the input.
  struct Taps {
    std::int64_t first;
    std::int64_t last;
  };
  Taps taps(std::int64_t position) const noexcept {
    const std::int64_t at = origin(position);
    const std::int64_t first = at < 0 ? (-at + dilation - 1) / dilation : 0;
    const std::int64_t last = at >= in ? 0 : (in - at + dilation - 1) / dilation;
    return {std::min(first, kernel), std::max(std::min(first, kernel), std::min(last, kernel))};
  }

  // The positions [first, last) at which a tap lies inside the input.
  struct Positions {
    std::int64_t first;
    std::int64_t last;
  };
  Positions positions(std::int64_t tap) const noexcept {
    const std::int64_t shift = before - tap * dilation;
    const std::int64_t first = shift > 0 ? (shift + stride - 1) / stride : 0;
    const std::int64_t last = in + shift > 0 ? (in + shift - 1) / stride + 1 : 0;
    return {std::min(first, out), std::max(std::min(first, out), std::min(last, out))};
  }
};

}  // namespace lamina::kernels
