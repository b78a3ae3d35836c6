#include <array>
#include <lamina/serialization/detail/interchange_layout.hpp>

namespace lamina::detail {

namespace {

using Order = std::array<int, 4>;

// result[i0, i1, i2, i3] = tensor[...], axis k of the result being axis order[k] of the tensor.
template <Element E>
Tensor<E> transposed(const Tensor<E>& tensor, const std::array<std::int64_t, 4>& extents,
                     const Order& order, const Shape& shape) {
  std::array<std::int64_t, 4> steps{};
  std::int64_t step = 1;
  for (std::size_t axis = 4; axis-- > 0;) {
    steps[axis] = step;
    step *= extents[axis];
  }
  const auto extent = [&](std::size_t k) { return extents[static_cast<std::size_t>(order[k])]; };
  const auto stride = [&](std::size_t k) { return steps[static_cast<std::size_t>(order[k])]; };
  auto result = Tensor<E>::uninitialized(shape);
  E* to = result.mutable_data();
  const E* from = tensor.data();
  for (std::int64_t a = 0; a < extent(0); ++a) {
    for (std::int64_t b = 0; b < extent(1); ++b) {
      for (std::int64_t c = 0; c < extent(2); ++c) {
        for (std::int64_t d = 0; d < extent(3); ++d) {
          *to++ = from[a * stride(0) + b * stride(1) + c * stride(2) + d * stride(3)];
        }
      }
    }
  }
  return result;
}

template <Element E>
Tensor<E> convolution_transposed(const Tensor<E>& tensor, const Order& order) {
  const Shape& shape = tensor.shape();
  const Shape result{shape[order[0]], shape[order[1]], shape[order[2]], shape[order[3]]};
  return transposed(tensor, {shape[0], shape[1], shape[2], shape[3]}, order, result);
}

template <class Function>
StateValue for_tensor(const StateValue& value, int rank, const Function& function) {
  return std::visit(
      [&](const auto& held) -> StateValue {
        if constexpr (requires { held.dtype(); }) {
          if (held.rank() == rank) return function(held);
        }
        return held;
      },
      value);
}

int rank_of(KernelLayout layout) { return layout == KernelLayout::dense ? 2 : 4; }

}  // namespace

StateValue to_channels_first(const StateValue& value, KernelLayout layout, std::int64_t channels) {
  if (layout == KernelLayout::same) return value;
  return for_tensor(value, rank_of(layout), [&](const auto& tensor) {
    if (layout == KernelLayout::convolution) return convolution_transposed(tensor, {3, 2, 0, 1});
    const std::int64_t in = tensor.shape()[0], out = tensor.shape()[1];
    return transposed(tensor, {1, in / channels, channels, out}, {3, 2, 1, 0}, Shape{out, in});
  });
}

StateValue from_channels_first(const StateValue& value, KernelLayout layout,
                               std::int64_t channels) {
  if (layout == KernelLayout::same) return value;
  return for_tensor(value, rank_of(layout), [&](const auto& tensor) {
    if (layout == KernelLayout::convolution) return convolution_transposed(tensor, {2, 3, 1, 0});
    const std::int64_t out = tensor.shape()[0], in = tensor.shape()[1];
    return transposed(tensor, {out, channels, in / channels, 1}, {3, 2, 1, 0}, Shape{in, out});
  });
}

}  // namespace lamina::detail
