#include <fmt/core.h>

#include <lamina/autograd/kernels/channels_first.hpp>
#include <lamina/autograd/kernels/convolution.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/convolution.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {

namespace {

using kernels::ConvolutionSize;

void check_options(const char* who, const ConvolutionOptions& options) {
  detail::require_positive(who, "strides", options.strides);
  detail::require_positive(who, "dilation", options.dilation);
  detail::require_padding(who, options.padding);
  if (options.groups < 1) {
    throw ArgumentError(who, "groups must be at least 1; got " + std::to_string(options.groups));
  }
}

void check_channels(const char* who, std::int64_t channels, const Shape& input, const Shape& kernel,
                    std::int64_t groups) {
  const auto got = [&] {
    return fmt::format("; got input {}, kernel {}, groups {}", input.to_string(),
                       kernel.to_string(), groups);
  };
  if (kernel[3] % groups != 0) {
    throw ShapeError(who, "groups must divide the output channels" + got());
  }
  if (channels != kernel[2] * groups) {
    throw ShapeError(who, fmt::format("the input must have the kernel's channels times groups{}, "
                                      "expected {} channels",
                                      got(), kernel[2] * groups));
  }
}

// Checks everything, and says how the window walks.
ConvolutionSize size_of(const char* who, const Shape& input, const Shape& kernel,
                        const ConvolutionOptions& options) {
  check_options(who, options);
  if (input.rank() != 4) {
    throw ShapeError(
        who, std::string("the input must have 4 axes, ") +
                 (options.layout == Layout::channels_last ? "(N, H, W, C)" : "(N, C, H, W)") +
                 "; got " + input.to_string());
  }
  if (kernel.rank() != 4 || kernel[0] < 1 || kernel[1] < 1) {
    throw ShapeError(who,
                     "the kernel must be (height, width, input channels / groups, output channels)"
                     "; got " +
                         kernel.to_string());
  }
  const detail::ImageAxes axes = detail::image_axes(options.layout);
  check_channels(who, input[axes.channels], input, kernel, options.groups);
  const auto axis = [&](std::size_t i, int at) {
    const kernels::WindowAxis window =
        detail::window_axis(input[at], kernel[static_cast<int>(i)], options.strides[i],
                            options.dilation[i], options.padding, static_cast<int>(i));
    if (window.out < 1 && options.padding.mode() != Padding::Mode::same) {
      throw ShapeError(who, "the kernel must fit in the padded input; got input " +
                                input.to_string() + ", kernel " + kernel.to_string() +
                                ", dilation " + detail::to_string(options.dilation) + ", padding " +
                                options.padding.to_string());
    }
    return window;
  };
  return {.images = input[0],
          .rows = axis(0, axes.rows),
          .columns = axis(1, axes.columns),
          .in_channels = input[axes.channels],
          .out_channels = kernel[3],
          .groups = options.groups,
          .exact = options.exact};
}

Shape output_shape(const ConvolutionSize& size, Layout layout) {
  return layout == Layout::channels_last
             ? Shape{size.images, size.rows.out, size.columns.out, size.out_channels}
             : Shape{size.images, size.out_channels, size.rows.out, size.columns.out};
}

void check_gradient(const char* who, const Shape& gradient, const Shape& expected) {
  if (gradient == expected) return;
  throw ShapeError(who, "the gradient must have the output's shape; got " + gradient.to_string() +
                            ", expected " + expected.to_string());
}

template <Scalar T>
Variable<T> to_channels_last(const Variable<T>& x) {
  return transpose(x, {0, 2, 3, 1});
}

template <Scalar T>
Variable<T> to_channels_first(const Variable<T>& x) {
  return transpose(x, {0, 3, 1, 2});
}

// Whether images stay in the order (N, C, H, W).
bool as_they_are(const ConvolutionSize& size, const ConvolutionOptions& options) {
  return options.layout == Layout::channels_first && kernels::stays_channels_first(size);
}

ConvolutionOptions channels_last(ConvolutionOptions options) {
  options.layout = Layout::channels_last;
  return options;
}

}  // namespace

template <Scalar T>
Variable<T> conv2d(const Variable<T>& x, const Variable<T>& kernel,
                   const ConvolutionOptions& options) {
  const ConvolutionSize size = size_of("conv2d", x.shape(), kernel.shape(), options);
  const bool untransposed = as_they_are(size, options);
  if (options.layout == Layout::channels_first && !untransposed) {
    return to_channels_first(conv2d(to_channels_last(x), kernel, channels_last(options)));
  }
  Tensor<T> y = Tensor<T>::uninitialized(output_shape(size, options.layout));
  const auto compute =
      untransposed ? kernels::channels_first_convolution<T> : kernels::convolution<T>;
  compute(size, x.value().data(), kernel.value().data(), y.mutable_data());
  return record<T>("conv2d", {x, kernel}, std::move(y), save(x, kernel), [options](Backward<T>& b) {
    const Variable<T>& input = b.saved(0);
    const Variable<T>& weights = b.saved(1);
    if (b.wants(0)) {
      b.add(0, conv2d_input_gradient(b.gradient(), weights, input.shape(), options));
    }
    if (b.wants(1)) {
      b.add(1, conv2d_weight_gradient(input, b.gradient(), weights.shape(), options));
    }
  });
}

template <Scalar T>
Variable<T> conv2d_input_gradient(const Variable<T>& output_gradient, const Variable<T>& kernel,
                                  const Shape& input_shape, const ConvolutionOptions& options) {
  const char* who = "conv2d_input_gradient";
  const ConvolutionSize size = size_of(who, input_shape, kernel.shape(), options);
  check_gradient(who, output_gradient.shape(), output_shape(size, options.layout));
  const bool untransposed = as_they_are(size, options);
  if (options.layout == Layout::channels_first && !untransposed) {
    const Shape last{size.images, size.rows.in, size.columns.in, size.in_channels};
    return to_channels_first(conv2d_input_gradient(to_channels_last(output_gradient), kernel, last,
                                                   channels_last(options)));
  }
  Tensor<T> dx = Tensor<T>::uninitialized(input_shape);
  const auto compute = untransposed ? kernels::channels_first_input_gradient<T>
                                    : kernels::convolution_input_gradient<T>;
  compute(size, output_gradient.value().data(), kernel.value().data(), dx.mutable_data());
  return record<T>(who, {output_gradient, kernel}, std::move(dx), save(output_gradient, kernel),
                   [options](Backward<T>& b) {
                     const Variable<T>& dy = b.saved(0);
                     const Variable<T>& weights = b.saved(1);
                     if (b.wants(0)) b.add(0, conv2d(b.gradient(), weights, options));
                     if (b.wants(1)) {
                       b.add(1, conv2d_weight_gradient(b.gradient(), dy, weights.shape(), options));
                     }
                   });
}

template <Scalar T>
Variable<T> conv2d_weight_gradient(const Variable<T>& x, const Variable<T>& output_gradient,
                                   const Shape& kernel_shape, const ConvolutionOptions& options) {
  const char* who = "conv2d_weight_gradient";
  const ConvolutionSize size = size_of(who, x.shape(), kernel_shape, options);
  check_gradient(who, output_gradient.shape(), output_shape(size, options.layout));
  const bool untransposed = as_they_are(size, options);
  if (options.layout == Layout::channels_first && !untransposed) {
    return conv2d_weight_gradient(to_channels_last(x), to_channels_last(output_gradient),
                                  kernel_shape, channels_last(options));
  }
  Tensor<T> dkernel = Tensor<T>::uninitialized(kernel_shape);
  const auto compute = untransposed ? kernels::channels_first_weight_gradient<T>
                                    : kernels::convolution_weight_gradient<T>;
  compute(size, x.value().data(), output_gradient.value().data(), dkernel.mutable_data());
  return record<T>(who, {x, output_gradient}, std::move(dkernel), save(x, output_gradient),
                   [options](Backward<T>& b) {
                     const Variable<T>& input = b.saved(0);
                     const Variable<T>& dy = b.saved(1);
                     if (b.wants(0)) {
                       b.add(0, conv2d_input_gradient(dy, b.gradient(), input.shape(), options));
                     }
                     if (b.wants(1)) b.add(1, conv2d(input, b.gradient(), options));
                   });
}

Shape conv2d_output_shape(const Shape& input, const Shape& kernel,
                          const ConvolutionOptions& options) {
  return output_shape(size_of("conv2d", input, kernel, options), options.layout);
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template Variable<T> conv2d(const Variable<T>&, const Variable<T>&, const ConvolutionOptions&);  \
  template Variable<T> conv2d_input_gradient(const Variable<T>&, const Variable<T>&, const Shape&, \
                                             const ConvolutionOptions&);                           \
  template Variable<T> conv2d_weight_gradient(const Variable<T>&, const Variable<T>&,              \
                                              const Shape&, const ConvolutionOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
