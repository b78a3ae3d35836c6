// The inputs of values.hpp as lamina's tensors, and lamina's results in the order of the checksums.
#pragma once

#include <lamina/lamina.hpp>
#include <support/shapes.hpp>
#include <support/values.hpp>

namespace bench {

lamina::Tensor<float> tensor(std::uint64_t stream, const lamina::Shape& shape, double low = -1,
                             double high = 1);

lamina::Tensor<float> image(std::uint64_t stream, const ImageShape& shape, lamina::Layout layout);
// Of an image, or of anything else where the layout means nothing.
Check checksum(std::string name, const lamina::Tensor<float>& values, lamina::Layout layout);

// Shape of a kernel as lamina keeps it.
lamina::Shape kernel_shape(const ConvolutionShape& shape);
lamina::Tensor<float> kernel(std::uint64_t stream, const lamina::Shape& shape);

// Gives the kernels of a built network the values of streams `first`, `first` + 1, ...; scales are
// 1 and shifts are 0 anyway.
void assign_kernels(lamina::Module<float>& network, std::uint64_t first = kKernels);

inline const char* layout_name(lamina::Layout layout) {
  return layout == lamina::Layout::channels_last ? "nhwc" : "nchw";
}
inline constexpr std::array<lamina::Layout, 2> kLayouts{lamina::Layout::channels_last,
                                                        lamina::Layout::channels_first};

}  // namespace bench
