// How a window walks over the two spatial axes of an image: options shared by convolution and
// pooling.
//
// Per axis, with extended = (kernel - 1) dilation + 1:
//   valid:     out = floor((in - extended) / stride) + 1, nothing is padded
//   same:      out = ceil(in / stride), padded by max((out - 1) stride + extended - in, 0) in all,
//   the
//              smaller half in front
//   explicit:  out = floor((in + before + after - extended) / stride) + 1
#pragma once

#include <array>
#include <cstdint>
#include <lamina/autograd/kernels/window.hpp>
#include <string>

namespace lamina {

// Where the channels stand: (N, H, W, C), or (N, C, H, W).
enum class Layout : std::uint8_t { channels_last, channels_first };

// Two numbers, for rows (H) and columns (W).
using Pair = std::array<std::int64_t, 2>;

class Padding {
 public:
  enum class Mode : std::uint8_t { valid, same, fixed };

  static const Padding valid;
  static const Padding same;
  // So many rows and columns of padding on each side.
  constexpr Padding(std::int64_t top, std::int64_t bottom, std::int64_t left, std::int64_t right)
      : mode_(Mode::fixed), before_{top, left}, after_{bottom, right} {}
  constexpr Padding() = default;  // valid

  constexpr Mode mode() const noexcept { return mode_; }
  // Rows and columns; meaningful for Mode::fixed.
  constexpr const Pair& before() const noexcept { return before_; }
  constexpr const Pair& after() const noexcept { return after_; }

  bool operator==(const Padding&) const = default;

  // "valid", "same", "((1, 1), (2, 2))".
  std::string to_string() const;

 private:
  constexpr explicit Padding(Mode mode) : mode_(mode) {}

  Mode mode_ = Mode::valid;
  Pair before_{};
  Pair after_{};
};

inline constexpr Padding Padding::valid{Padding::Mode::valid};
inline constexpr Padding Padding::same{Padding::Mode::same};

namespace detail {

std::string to_string(const Pair& pair);
void require_positive(const char* who, const char* what, const Pair& pair);
void require_padding(const char* who, const Padding& padding);

// Which axes of an image are what.
struct ImageAxes {
  int rows;
  int columns;
  int channels;
};
ImageAxes image_axes(Layout layout);

// The walk along spatial axis 0 or 1; `out` is 0 where the window does not fit.
kernels::WindowAxis window_axis(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                                std::int64_t dilation, const Padding& padding, int axis);

}  // namespace detail

}  // namespace lamina
