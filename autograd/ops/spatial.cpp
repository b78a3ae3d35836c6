#include <fmt/core.h>

#include <algorithm>
#include <lamina/autograd/ops/spatial.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <limits>

namespace lamina {

std::string Padding::to_string() const {
  if (mode_ == Mode::valid) return "valid";
  if (mode_ == Mode::same) return "same";
  return fmt::format("(({}, {}), ({}, {}))", before_[0], after_[0], before_[1], after_[1]);
}

namespace detail {

std::string to_string(const Pair& pair) {
  return fmt::format("({}, {})", pair[0], pair[1]);
}

namespace {

// Products of two of these, and sums of a few, stay within 63 bits.
constexpr std::int64_t kLargest = std::numeric_limits<std::int32_t>::max();

}  // namespace

void require_positive(const char* who, const char* what, const Pair& pair) {
  if (std::min(pair[0], pair[1]) >= 1 && std::max(pair[0], pair[1]) <= kLargest) return;
  throw ArgumentError(who,
                      std::string(what) + " must lie in [1, 2147483647]; got " + to_string(pair));
}

void require_padding(const char* who, const Padding& padding) {
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const auto [least, most] = std::minmax(padding.before()[axis], padding.after()[axis]);
    if (least >= 0 && most <= kLargest) continue;
    throw ArgumentError(who, "padding must lie in [0, 2147483647]; got " + padding.to_string());
  }
}

ImageAxes image_axes(Layout layout) {
  return layout == Layout::channels_last ? ImageAxes{1, 2, 3} : ImageAxes{2, 3, 1};
}

kernels::WindowAxis window_axis(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                                std::int64_t dilation, const Padding& padding, int axis) {
  const std::int64_t extended = (kernel - 1) * dilation + 1;
  kernels::WindowAxis window{
      .in = in, .out = 0, .kernel = kernel, .stride = stride, .dilation = dilation, .before = 0};
  if (padding.mode() == Padding::Mode::same) {
    window.out = in / stride + (in % stride != 0);
    const std::int64_t total = (window.out - 1) * stride + extended - in;
    if (in > 0 && total > 0) window.before = total / 2;
    return window;
  }
  const auto at = static_cast<std::size_t>(axis);
  window.before = padding.before()[at];
  const std::int64_t room = in + window.before + padding.after()[at] - extended;
  window.out = room < 0 ? 0 : room / stride + 1;
  return window;
}

}  // namespace detail

}  // namespace lamina
