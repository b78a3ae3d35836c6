#include <lamina/autograd/ops/elementwise.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/conv2d.hpp>
#include <lamina/layers/detail/spatial_fields.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <lamina/nn/initializers.hpp>

namespace lamina {

namespace {
constexpr const char* kWho = "conv2d";
}  // namespace

void Conv2DOptions::visit(OptionVisitor& visitor) {
  visitor("filters", filters.value);
  visitor("kernel", kernel.value);
  visitor("strides", strides);
  visit_padding(visitor, padding);
  visit_layout(visitor, layout);
  visitor("dilation", dilation);
  visitor("groups", groups);
  visitor("exact", exact);
  visitor("use_bias", use_bias);
  visitor("kernel_initializer", kernel_initializer);
  visitor("bias_initializer", bias_initializer);
  visitor("kernel_regularizer", kernel_regularizer);
  visitor("bias_regularizer", bias_regularizer);
  visitor("kernel_constraint", kernel_constraint);
  visitor("bias_constraint", bias_constraint);
  visitor("in_channels", in_channels);
}

template <Scalar T>
Conv2D<T>::Conv2D(Options options)
    : options_(std::move(options)),
      kernel_(
          {.regularizer = options_.kernel_regularizer, .constraint = options_.kernel_constraint}),
      bias_({.regularizer = options_.bias_regularizer, .constraint = options_.bias_constraint}) {
  require_at_least(kWho, "filters", options_.filters, 1);
  require_positive(kWho, "kernel", options_.kernel);
  require_positive(kWho, "strides", options_.strides);
  require_positive(kWho, "dilation", options_.dilation);
  require_padding(kWho, options_.padding);
  require_at_least(kWho, "groups", options_.groups, 1);
  require_at_least(kWho, "in_channels", options_.in_channels, 0);
  if (options_.filters % options_.groups != 0) {
    throw ArgumentError(kWho, "groups must divide the filters; got " +
                                  std::to_string(options_.groups) + " groups and " +
                                  std::to_string(options_.filters) + " filters");
  }
  if (!options_.kernel_initializer) options_.kernel_initializer = glorot_uniform();
  if (!options_.bias_initializer) options_.bias_initializer = zeros();
}

template <Scalar T>
void Conv2D<T>::visit(Visitor<T>& visitor) {
  visitor("kernel", kernel_);
  if (options_.use_bias) visitor("bias", bias_);
}

// `channels` 0: any number that the groups divide.
template <Scalar T>
void Conv2D<T>::require_input(const Shape& input, std::int64_t channels) const {
  require_image(kWho, input, options_.layout);
  const int axis = channel_axis(options_.layout);
  if (channels != 0 && input[axis] != channels) {
    throw ShapeError(kWho, "axis " + std::to_string(axis) + " must have " +
                               std::to_string(channels) + " channels; got input " +
                               input.to_string());
  }
  if (input[axis] < 1 || input[axis] % options_.groups != 0) {
    const std::string expected =
        options_.groups == 1 ? "at least one channel"
                             : "a multiple of " + std::to_string(options_.groups) + " channels";
    throw ShapeError(kWho, "axis " + std::to_string(axis) + " must have " + expected +
                               "; got input " + input.to_string());
  }
}

template <Scalar T>
void Conv2D<T>::build(const Shape& input, Builder<T>& builder) {
  require_input(input, options_.in_channels);
  const Extents2 kernel = options_.kernel;
  const std::int64_t channels = input[channel_axis(options_.layout)] / options_.groups;
  const Shape shape{kernel[0], kernel[1], channels, options_.filters};
  conv2d_output_shape(input, shape, convolution());  // refuses an image below the kernel's size
  builder("kernel", kernel_, shape, options_.kernel_initializer);
  if (options_.use_bias) builder("bias", bias_, {options_.filters}, options_.bias_initializer);
}

template <Scalar T>
ConvolutionOptions Conv2D<T>::convolution() const {
  return {.strides = options_.strides,
          .padding = options_.padding,
          .dilation = options_.dilation,
          .groups = options_.groups,
          .layout = options_.layout,
          .exact = options_.exact};
}

template <Scalar T>
Variable<T> Conv2D<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  require_input(x.shape(), kernel_.shape()[2] * options_.groups);
  ConvolutionOptions options = convolution();
  options.exact = options.exact || ctx.exact;
  const Variable<T> y = conv2d(x, kernel_(ctx), options);
  if (!options_.use_bias) return y;
  const Variable<T> bias = bias_(ctx);
  if (options_.layout == Layout::channels_last) return add(y, bias);
  return add(y, reshape(bias, Shape{bias.size(), 1, 1}));
}

template <Scalar T>
std::int64_t Conv2D<T>::multiply_adds(const Shape& input, const Shape& output) const {
  const std::int64_t channels = input[channel_axis(options_.layout)] / options_.groups;
  return output.size() * options_.kernel.value[0] * options_.kernel.value[1] * channels;
}

template class Conv2D<float>;
template class Conv2D<double>;

}  // namespace lamina
