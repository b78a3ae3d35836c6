#include <lamina/autograd/kernels/reduce.hpp>
#include <lamina/autograd/kernels/reduction.hpp>

namespace lamina::kernels {

template <Scalar T>
Tensor<std::int64_t> argmax(const Tensor<T>& x, int axis) {
  const Extents e = around(x.shape(), axis);
  Tensor<std::int64_t> result = Tensor<std::int64_t>::uninitialized(x.shape().with(axis, 1));
  std::int64_t* out = result.mutable_data();
  const T* in = x.data();
  for (std::int64_t outer = 0; outer < e.outer; ++outer) {
    for (std::int64_t column = 0; column < e.inner; ++column) {
      const T* values = in + outer * e.count * e.inner + column;
      std::int64_t best = 0;
      for (std::int64_t i = 1; i < e.count; ++i) {
        const T largest = values[best * e.inner], value = values[i * e.inner];
        if (!(largest != largest) && !(value <= largest)) best = i;
      }
      out[outer * e.inner + column] = best;
    }
  }
  return result;
}

template <Scalar T>
Tensor<T> cumsum(const Tensor<T>& x, int axis, bool reversed) {
  const Extents e = around(x.shape(), axis);
  Tensor<T> result = Tensor<T>::uninitialized(x.shape());
  T* out = result.mutable_data();
  const T* in = x.data();
  Tensor<double> sums(Shape{e.inner}, 0.0);
  double* sum = sums.mutable_data();
  for (std::int64_t outer = 0; outer < e.outer; ++outer) {
    std::fill_n(sum, e.inner, 0.0);
    for (std::int64_t step = 0; step < e.count; ++step) {
      const std::int64_t i = reversed ? e.count - 1 - step : step;
      const std::int64_t row = (outer * e.count + i) * e.inner;
      for (std::int64_t column = 0; column < e.inner; ++column) {
        sum[column] += in[row + column];
        out[row + column] = static_cast<T>(sum[column]);
      }
    }
  }
  return result;
}

template <Scalar T>
Tensor<T> products_of_others(const Tensor<T>& x, int axis) {
  const Extents e = around(x.shape(), axis);
  Tensor<T> result = Tensor<T>::uninitialized(x.shape());
  Tensor<double> before = Tensor<double>::uninitialized({e.count});
  double* prefix = before.mutable_data();
  for (std::int64_t outer = 0; outer < e.outer; ++outer) {
    for (std::int64_t column = 0; column < e.inner; ++column) {
      const T* in = x.data() + outer * e.count * e.inner + column;
      T* out = result.mutable_data() + outer * e.count * e.inner + column;
      double product = 1;
      for (std::int64_t i = 0; i < e.count; product *= in[i++ * e.inner]) prefix[i] = product;
      product = 1;
      for (std::int64_t i = e.count; i-- > 0; product *= in[i * e.inner]) {
        out[i * e.inner] = static_cast<T>(prefix[i] * product);
      }
    }
  }
  return result;
}

#define LAMINA_SCAN(T)                                          \
  template Tensor<std::int64_t> argmax(const Tensor<T>&, int);  \
  template Tensor<T> products_of_others(const Tensor<T>&, int); \
  template Tensor<T> cumsum(const Tensor<T>&, int, bool);
LAMINA_SCAN(float)
LAMINA_SCAN(double)
#undef LAMINA_SCAN

}  // namespace lamina::kernels
