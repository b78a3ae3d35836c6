#include <support/inputs.hpp>

namespace bench {

using lamina::Layout;
using lamina::Shape;
using lamina::Tensor;

Tensor<float> tensor(std::uint64_t stream, const Shape& shape, double low, double high) {
  return Tensor<float>(shape, uniform_values(stream, shape.size(), low, high));
}

Tensor<float> image(std::uint64_t stream, const ImageShape& s, Layout layout) {
  const auto last = tensor(stream, {s.count, s.height, s.width, s.channels});
  if (layout == Layout::channels_last) return last;
  return lamina::transpose<float>(last, {0, 3, 1, 2}).value();
}

Check checksum(std::string name, const Tensor<float>& values, Layout layout) {
  if (values.rank() != 4 || layout == Layout::channels_last) {
    return checksum(std::move(name), values.values());
  }
  const auto transposed = lamina::transpose<float>(values, {0, 2, 3, 1});
  return checksum(std::move(name), transposed.value().values());
}

Shape kernel_shape(const ConvolutionShape& s) {
  return {s.kernel, s.kernel, s.input.channels, s.filters};
}

Tensor<float> kernel(std::uint64_t stream, const Shape& shape) {
  return Tensor<float>(shape, kernel_values(stream, shape.size(), shape[shape.rank() - 1]));
}

void assign_kernels(lamina::Module<float>& network, std::uint64_t first) {
  std::uint64_t stream = first;
  for (const auto& parameter : network.parameters()) {
    const Shape shape = parameter->value.shape();
    if (shape.rank() > 1) parameter->assign(kernel(stream++, shape));
  }
}

}  // namespace bench
