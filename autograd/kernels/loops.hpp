// The loops behind every element-wise kernel; only the .cpp files of this folder include this.
//
//   map(x, f)          out[i] = f(x[i])
//   zip(who, f, a, b)  out[i] = f(a[i], b[i]), with NumPy's broadcasting of up to three operands;
//                      ShapeError naming `who` when they do not broadcast
//
// A function object is a template argument, so that the compiler sees it inside the loop and
// vectorizes. Work beyond kTile elements is cut into tiles of that many; an element never depends
// on the cut.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <lamina/autograd/kernels/broadcast.hpp>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/autograd/tensor/tensor.hpp>
#include <utility>

namespace lamina::kernels {

inline constexpr std::int64_t kTile = 32768;

// range(begin, end) over [0, size), by several threads where that is worth it.
template <class Range>
void in_tiles(std::int64_t size, Range range) {
  if (size <= kTile) return range(std::int64_t{0}, size);
  parallel_for((size + kTile - 1) / kTile,
               [&](std::int64_t tile) { range(tile * kTile, std::min(size, (tile + 1) * kTile)); });
}

template <class Out, class In, class F>
void map_into(Out* __restrict out, const In* in, std::int64_t size, F f) {
  in_tiles(size, [=](std::int64_t begin, std::int64_t end) {
    Out* __restrict to = out;
    for (std::int64_t i = begin; i < end; ++i) to[i] = f(in[i]);
  });
}

template <Scalar T, class F>
Tensor<T> map(const Tensor<T>& x, F f) {
  Tensor<T> result = Tensor<T>::uninitialized(x.shape());
  map_into(result.mutable_data(), x.data(), x.size(), f);
  return result;
}

// Operand k is read at [0] for the whole row where bit k of Still is set.
template <unsigned Still, class Out, class F, std::size_t... K, class... In>
void zip_row(std::index_sequence<K...>, Out* __restrict out, std::int64_t count, F f,
             const In*... in) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = f(in[(Still >> K) & 1 ? 0 : i]...);
}

template <class Out, class F, class... In>
using RowFunction = void (*)(Out*, std::int64_t, F, const In*...);

template <class Out, class F, class... In>
RowFunction<Out, F, In...> row_function(unsigned still) {
  constexpr auto table = []<std::size_t... Still>(std::index_sequence<Still...>) {
    return std::array<RowFunction<Out, F, In...>, sizeof...(Still)>{
        [](Out* out, std::int64_t count, F f, const In*... in) {
          zip_row<Still>(std::index_sequence_for<In...>{}, out, count, f, in...);
        }...};
  }(std::make_index_sequence<(std::size_t{1} << sizeof...(In))>{});
  return table[still];
}

// All operands have the result's shape.
template <class Out, class F, class... In>
void zip_same(Out* out, std::int64_t size, F f, const In*... in) {
  in_tiles(size, [=](std::int64_t begin, std::int64_t end) {
    zip_row<0>(std::index_sequence_for<In...>{}, out + begin, end - begin, f, (in + begin)...);
  });
}

template <class Out, class F, class... In>
void zip_broadcast(Tensor<Out>& result, F f, const Tensor<In>&... in) {
  constexpr std::size_t kCount = sizeof...(In);
  Out* out = result.mutable_data();
  const std::array<const Shape*, kCount> shapes{&in.shape()...};
  unsigned still = 0;
  bool plain = true;  // every operand is full or a single element: one row, no plan
  for (std::size_t k = 0; k < kCount; ++k) {
    if (shapes[k]->size() == 1) still |= 1u << k;
    plain = plain && (shapes[k]->size() == 1 || shapes[k]->size() == result.size());
  }
  const auto call = [&]<std::size_t... K>(std::index_sequence<K...>) {
    if (plain) {
      const auto row = row_function<Out, F, In...>(still);
      in_tiles(result.size(), [=, ... data = in.data()](std::int64_t begin, std::int64_t end) {
        row(out + begin, end - begin, f, (data + ((still >> K) & 1 ? 0 : begin))...);
      });
      return;
    }
    const BroadcastPlan plan = plan_broadcast(result.shape(), shapes);
    const auto row = row_function<Out, F, In...>(plan.still_operands(kCount));
    in_tiles(result.size(), [&, ... data = in.data()](std::int64_t begin, std::int64_t end) {
      for_rows<kCount>(plan, begin, end, [&](std::int64_t first, const auto& at, std::int64_t n) {
        row(out + first, n, f, (data + at[K])...);
      });
    });
  };
  call(std::index_sequence_for<In...>{});
}

template <class Out, class F, Element A, Element B>
Tensor<Out> zip_to(const char* who, F f, const Tensor<A>& a, const Tensor<B>& b) {
  if (a.shape() == b.shape()) {
    Tensor<Out> result = Tensor<Out>::uninitialized(a.shape());
    zip_same(result.mutable_data(), result.size(), f, a.data(), b.data());
    return result;
  }
  Tensor<Out> result = Tensor<Out>::uninitialized(broadcast_shape(a.shape(), b.shape(), who));
  if (result.size() > 0) zip_broadcast(result, f, a, b);
  return result;
}

template <Scalar T, class F>
Tensor<T> zip(const char* who, F f, const Tensor<T>& a, const Tensor<T>& b) {
  return zip_to<T>(who, f, a, b);
}

template <class Out, class F, Element A, Element B, Element C>
Tensor<Out> zip_to(const char* who, F f, const Tensor<A>& a, const Tensor<B>& b,
                   const Tensor<C>& c) {
  const Shape shape = broadcast_shape(broadcast_shape(a.shape(), b.shape(), who), c.shape(), who);
  Tensor<Out> result = Tensor<Out>::uninitialized(shape);
  if (result.size() > 0) zip_broadcast(result, f, a, b, c);
  return result;
}

}  // namespace lamina::kernels
