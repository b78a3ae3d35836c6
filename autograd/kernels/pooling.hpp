// Pooling of channels-last images: each output is made of one window, channel by channel.
//
//   x (images, rows.in, columns.in, channels), y (images, rows.out, columns.out, channels)
//
// Every window holds at least one element. Thread-safety: any thread.
#pragma once

#include <lamina/autograd/kernels/window.hpp>
#include <lamina/autograd/tensor/scalar.hpp>

namespace lamina::kernels {

struct PoolingSize {
  std::int64_t images;
  WindowAxis rows;
  WindowAxis columns;
  std::int64_t channels;

  std::int64_t window() const noexcept { return rows.kernel * columns.kernel; }
};

// y = the largest element, and winners = its place in the window (row-major tap number), shaped as
// y. The first of equal maxima wins; the first NaN wins over everything. `Index` holds
// size.window() - 1.
template <Scalar T, class Index>
void max_pooling(const PoolingSize& size, const T* x, T* y, Index* winners);

// x = zeros, to which every y is added at its winner. The adjoint of max_gather.
template <Scalar T, class Index>
void max_scatter(const PoolingSize& size, const T* y, const Index* winners, T* x);

// y = the elements of x at the winners.
template <Scalar T, class Index>
void max_gather(const PoolingSize& size, const T* x, const Index* winners, T* y);

// y = the mean of the window's elements, padding not counted.
template <Scalar T>
void average_pooling(const PoolingSize& size, const T* x, T* y);

// The adjoint: x = zeros, to which y / elements is added over every window.
template <Scalar T>
void average_spread(const PoolingSize& size, const T* y, T* x);

}  // namespace lamina::kernels
