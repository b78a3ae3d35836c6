#include <algorithm>
#include <lamina/autograd/kernels/pooling.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/detail/gated_gradients.hpp>
#include <lamina/autograd/ops/pooling.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <limits>

namespace lamina {

namespace {

using kernels::PoolingSize;

// A pooling of one tensor: the walk, and the shapes on both sides. With channels first every
// channel is an image of one channel: no data moves.
struct Pooling {
  PoolingSize size;
  Shape input;
  Shape output;
};

// Without the taps that lie beyond the image at every position.
kernels::WindowAxis cropped(kernels::WindowAxis window) {
  const std::int64_t end = std::min(window.kernel, window.before + window.in);
  const std::int64_t begin = std::max<std::int64_t>(0, -window.origin(window.out - 1));
  if (window.out < 1 || begin >= end) return window;
  window.kernel = end - begin;
  window.before -= begin;
  return window;
}

kernels::WindowAxis axis_of(const char* who, const Shape& input, int at, std::size_t axis,
                            const PoolingOptions& options) {
  const Pair strides = options.strides.value_or(options.pool);
  const kernels::WindowAxis window = detail::window_axis(
      input[at], options.pool[axis], strides[axis], 1, options.padding, static_cast<int>(axis));
  if (window.out > 0 && window.in == 0) {
    throw ShapeError(who, "every window must hold an element of the input; got input " +
                              input.to_string() + ", padding " + options.padding.to_string());
  }
  if (window.out < 1 && options.padding.mode() != Padding::Mode::same) {
    throw ShapeError(who, "the window must fit in the padded input; got input " +
                              input.to_string() + ", pool " + detail::to_string(options.pool) +
                              ", padding " + options.padding.to_string());
  }
  return cropped(window);
}

Pooling pooling_of(const char* who, const Shape& input, const PoolingOptions& options) {
  detail::require_positive(who, "pool", options.pool);
  detail::require_positive(who, "strides", options.strides.value_or(options.pool));
  detail::require_padding(who, options.padding);
  for (std::size_t i = 0; i < 2; ++i) {
    if (options.padding.before()[i] < options.pool[i] &&
        options.padding.after()[i] < options.pool[i])
      continue;
    throw ArgumentError(who, "padding must be smaller than the window; got padding " +
                                 options.padding.to_string() + ", pool " +
                                 detail::to_string(options.pool));
  }
  if (input.rank() != 4) {
    throw ShapeError(who, "the input must have 4 axes; got " + input.to_string());
  }
  const detail::ImageAxes axes = detail::image_axes(options.layout);
  const bool last = options.layout == Layout::channels_last;
  const std::int64_t channels = input[axes.channels];
  Pooling pooling{.size = {.images = last ? input[0] : input[0] * channels,
                           .rows = axis_of(who, input, axes.rows, 0, options),
                           .columns = axis_of(who, input, axes.columns, 1, options),
                           .channels = last ? channels : 1},
                  .input = input,
                  .output = input};
  if (pooling.size.window() > std::numeric_limits<std::int32_t>::max()) {
    throw ArgumentError(who, "a window must hold at most 2147483647 elements; got pool " +
                                 detail::to_string(options.pool) + ", input " + input.to_string());
  }
  pooling.output =
      input.with(axes.rows, pooling.size.rows.out).with(axes.columns, pooling.size.columns.out);
  return pooling;
}

// For every output the tap that won, in the smallest type that holds a window's taps.
struct Winners {
  Tensor<std::uint8_t> small;
  Tensor<std::int64_t> large;

  template <class Function>
  void visit(Function&& function) const {
    if (small.defined()) {
      function(small.data());
    } else {
      function(large.data());
    }
  }
};

template <Scalar T>
Winners find_winners(const Pooling& pooling, const T* x, T* y) {
  Winners winners;
  if (pooling.size.window() <= 256) {
    winners.small = Tensor<std::uint8_t>::uninitialized(pooling.output);
    kernels::max_pooling(pooling.size, x, y, winners.small.mutable_data());
  } else {
    winners.large = Tensor<std::int64_t>::uninitialized(pooling.output);
    kernels::max_pooling(pooling.size, x, y, winners.large.mutable_data());
  }
  return winners;
}

// The derivative of max pooling, and the derivative of that: linear ops, each the other's adjoint.
template <Scalar T>
Variable<T> max_pool_gather(const Variable<T>& x, const Pooling& pooling, const Winners& winners);

template <Scalar T>
Variable<T> max_pool_scatter(const Variable<T>& y, const Pooling& pooling, const Winners& winners) {
  Tensor<T> x = Tensor<T>::uninitialized(pooling.input);
  T* const out = x.mutable_data();
  winners.visit([&](const auto* places) {
    kernels::max_scatter(pooling.size, y.value().data(), places, out);
  });
  return record<T>("max_pool_scatter", {y}, std::move(x), save_nothing,
                   [pooling, winners](Backward<T>& b) {
                     b.add(0, max_pool_gather(b.gradient(), pooling, winners));
                   });
}

template <Scalar T>
Variable<T> max_pool_gather(const Variable<T>& x, const Pooling& pooling, const Winners& winners) {
  Tensor<T> y = Tensor<T>::uninitialized(pooling.output);
  T* const out = y.mutable_data();
  winners.visit([&](const auto* places) {
    kernels::max_gather(pooling.size, x.value().data(), places, out);
  });
  return record<T>("max_pool_gather", {x}, std::move(y), save_nothing,
                   [pooling, winners](Backward<T>& b) {
                     b.add(0, max_pool_scatter(b.gradient(), pooling, winners));
                   });
}

template <Scalar T>
Variable<T> average(const Variable<T>& x, const Pooling& pooling);

// The adjoint of the average.
template <Scalar T>
Variable<T> spread(const Variable<T>& y, const Pooling& pooling) {
  Tensor<T> x = Tensor<T>::uninitialized(pooling.input);
  kernels::average_spread(pooling.size, y.value().data(), x.mutable_data());
  return record<T>("average_pool_spread", {y}, std::move(x), save_nothing,
                   [pooling](Backward<T>& b) { b.add(0, average(b.gradient(), pooling)); });
}

template <Scalar T>
Variable<T> average(const Variable<T>& x, const Pooling& pooling) {
  Tensor<T> y = Tensor<T>::uninitialized(pooling.output);
  kernels::average_pooling(pooling.size, x.value().data(), y.mutable_data());
  return record<T>("average_pool2d", {x}, std::move(y), save_nothing,
                   [pooling](Backward<T>& b) { b.add(0, spread(b.gradient(), pooling)); });
}

}  // namespace

template <Scalar T>
Variable<T> max_pool2d(const Variable<T>& x, const PoolingOptions& options) {
  const Pooling pooling = pooling_of("max_pool2d", x.shape(), options);
  Tensor<T> y = Tensor<T>::uninitialized(pooling.output);
  const Winners winners = find_winners(pooling, x.value().data(), y.mutable_data());
  return record<T>("max_pool2d", {x}, std::move(y), save_nothing,
                   [pooling, winners](Backward<T>& b) {
                     b.add(0, max_pool_scatter(b.gradient(), pooling, winners));
                   });
}

template <Scalar T>
Variable<T> detail::max_pool_gradient(const Variable<T>& dy, const Tensor<T>& x,
                                      const PoolingOptions& options) {
  const Pooling pooling = pooling_of("max_pool2d", x.shape(), options);
  Tensor<T> largest = Tensor<T>::uninitialized(pooling.output);
  const Winners winners = find_winners(pooling, x.data(), largest.mutable_data());
  return max_pool_scatter(dy, pooling, winners);
}

template <Scalar T>
Variable<T> average_pool2d(const Variable<T>& x, const PoolingOptions& options) {
  return average(x, pooling_of("average_pool2d", x.shape(), options));
}

Shape pool2d_output_shape(const Shape& input, const PoolingOptions& options, const char* who) {
  return pooling_of(who, input, options).output;
}

#define LAMINA_INSTANTIATE(T)                                                          \
  template Variable<T> detail::max_pool_gradient(const Variable<T>&, const Tensor<T>&, \
                                                 const PoolingOptions&);               \
  template Variable<T> max_pool2d(const Variable<T>&, const PoolingOptions&);          \
  template Variable<T> average_pool2d(const Variable<T>&, const PoolingOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
