#include <algorithm>
#include <cmath>
#include <lamina/autograd/kernels/reduce.hpp>
#include <lamina/autograd/kernels/reduction.hpp>
#include <limits>

namespace lamina::kernels {

namespace {

struct Doubles {
  using A = double;
  template <class T>
  static A lift(T value) {
    return static_cast<A>(value);
  }
  template <class Out>
  static Out finish(A a, double divisor) {
    return static_cast<Out>(a / divisor);
  }
};

struct Sum : Doubles {
  static A identity() { return 0; }
  static A combine(A a, A b) { return a + b; }
};

struct SumOfSquares : Sum {
  template <class T>
  static A lift(T value) {
    return static_cast<A>(value) * static_cast<A>(value);
  }
};

struct Product : Doubles {
  static A identity() { return 1; }
  static A combine(A a, A b) { return a * b; }
};

template <Scalar T>
struct Values {
  using A = T;
  static A lift(T value) { return value; }
  template <class Out>
  static Out finish(A a, double) {
    return a;
  }
};

template <Scalar T>
struct Maximum : Values<T> {
  using A = T;
  static A identity() { return -std::numeric_limits<T>::infinity(); }
  static A combine(A a, A b) { return a >= b || a != a ? a : b; }
};

template <Scalar T>
struct Minimum : Values<T> {
  using A = T;
  static A identity() { return std::numeric_limits<T>::infinity(); }
  static A combine(A a, A b) { return a <= b || a != a ? a : b; }
};

}  // namespace

Runs runs_of(const Shape& shape, unsigned mask) {
  Runs runs;
  std::int64_t inner = 1;
  for (int axis = shape.rank(); axis-- > 0;) {
    if (!((mask >> axis) & 1)) {
      inner *= shape.begin()[axis];
      continue;
    }
    std::int64_t count = shape.begin()[axis];
    while (axis > 0 && ((mask >> (axis - 1)) & 1)) count *= shape.begin()[--axis];
    if (count == 1) continue;  // nothing to do for it
    runs.list[static_cast<std::size_t>(runs.count++)] = {shape.size_of_axes(0, axis), count, inner};
  }
  if (runs.count == 0) runs.list[static_cast<std::size_t>(runs.count++)] = {shape.size(), 1, 1};
  return runs;
}

template <Scalar T>
Tensor<T> sum(const Tensor<T>& x, unsigned mask, double divisor) {
  return reduce<Sum>(x, mask, divisor);
}

template <Scalar T>
Tensor<T> sum_of_squares(const Tensor<T>& x, unsigned mask, double divisor) {
  return reduce<SumOfSquares>(x, mask, divisor);
}

template <Scalar T>
Tensor<T> norm(const Tensor<T>& x, unsigned mask) {
  const Tensor<double> squares = reduce_to<double, SumOfSquares>(x, mask);
  Tensor<T> result = Tensor<T>::uninitialized(squares.shape());
  std::transform(squares.data(), squares.data() + squares.size(), result.mutable_data(),
                 [](double sum) { return static_cast<T>(std::sqrt(sum)); });
  return result;
}

template <Scalar T>
Tensor<T> prod(const Tensor<T>& x, unsigned mask) {
  return reduce<Product>(x, mask);
}

template <Scalar T>
Tensor<T> max(const Tensor<T>& x, unsigned mask) {
  return reduce<Maximum<T>>(x, mask);
}

template <Scalar T>
Tensor<T> min(const Tensor<T>& x, unsigned mask) {
  return reduce<Minimum<T>>(x, mask);
}

template <Scalar T>
Tensor<T> expand(const Tensor<T>& x, const Shape& shape, double divisor) {
  Tensor<T> result = Tensor<T>::uninitialized(shape);
  if (result.size() == 0) return result;
  if (divisor == 1) {
    zip_broadcast(
        result, [](T v) { return v; }, x);
  } else {
    zip_broadcast(
        result, [=](T v) { return static_cast<T>(v / divisor); }, x);
  }
  return result;
}

template <Scalar T>
Tensor<T> shares_of(const Tensor<T>& x, const Tensor<T>& extremum, unsigned mask) {
  const Tensor<T> hits = zip(
      "max", [](T v, T m) { return v == m ? T{1} : T{0}; }, x, extremum);
  return zip(
      "max", [](T hit, T count) { return hit / count; }, hits, sum(hits, mask));
}

#define LAMINA_REDUCTION(T)                                              \
  template Tensor<T> sum(const Tensor<T>&, unsigned, double);            \
  template Tensor<T> sum_of_squares(const Tensor<T>&, unsigned, double); \
  template Tensor<T> norm(const Tensor<T>&, unsigned);                   \
  template Tensor<T> prod(const Tensor<T>&, unsigned);                   \
  template Tensor<T> max(const Tensor<T>&, unsigned);                    \
  template Tensor<T> min(const Tensor<T>&, unsigned);                    \
  template Tensor<T> expand(const Tensor<T>&, const Shape&, double);     \
  template Tensor<T> shares_of(const Tensor<T>&, const Tensor<T>&, unsigned);
LAMINA_REDUCTION(float)
LAMINA_REDUCTION(double)
#undef LAMINA_REDUCTION

}  // namespace lamina::kernels
