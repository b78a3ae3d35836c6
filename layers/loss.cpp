#include <algorithm>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/loss.hpp>
#include <string>

namespace lamina::detail {

namespace {

bool leads(const Shape& leading, const Shape& shape) {
  return leading.rank() <= shape.rank() &&
         std::equal(leading.begin(), leading.end(), shape.begin());
}

}  // namespace

template <Scalar T>
Variable<T> reduce_entries(const char* who, const Variable<T>& entries,
                           const Tensor<T>& sample_weight, Reduction reduction,
                           double denominator) {
  Variable<T> weighted = entries;
  if (sample_weight.defined()) {
    if (!leads(sample_weight.shape(), entries.shape())) {
      throw ShapeError(who,
                       "sample_weight must have the shape of the entries, or of their leading "
                       "axes; got " +
                           sample_weight.shape().to_string() + ", expected " +
                           entries.shape().to_string());
    }
    Shape shape = sample_weight.shape();
    while (shape.rank() < entries.rank()) shape = shape.inserted(shape.rank(), 1);
    weighted = multiply(entries, Variable<T>(sample_weight.reshaped(shape)));
  }
  switch (reduction) {
    case Reduction::none:
      return weighted;
    case Reduction::sum:
      return sum(weighted);
    case Reduction::mean:
      break;
  }
  return multiply(sum(weighted), static_cast<T>(denominator == 0 ? 0 : 1 / denominator));
}

void require_same_shape(const char* who, const char* prediction, const Shape& a, const Shape& b) {
  if (a == b) return;
  throw ShapeError(who, std::string(prediction) + " and target must have the same shape; got " +
                            a.to_string() + " and " + b.to_string());
}

template <Scalar T>
Variable<T> sum_of_last_axis(const Variable<T>& x, double factor) {
  return multiply(x.rank() == 0 ? x : sum(x, -1), static_cast<T>(factor));
}

template <Scalar T>
Variable<T> mean_of_last_axis(const Variable<T>& x) {
  const std::int64_t count = x.rank() == 0 ? 1 : x.shape()[-1];
  return sum_of_last_axis(x, count == 0 ? 0 : 1 / static_cast<double>(count));
}

template Variable<float> reduce_entries(const char*, const Variable<float>&, const Tensor<float>&,
                                        Reduction, double);
template Variable<double> reduce_entries(const char*, const Variable<double>&,
                                         const Tensor<double>&, Reduction, double);
template Variable<float> sum_of_last_axis(const Variable<float>&, double);
template Variable<double> sum_of_last_axis(const Variable<double>&, double);
template Variable<float> mean_of_last_axis(const Variable<float>&);
template Variable<double> mean_of_last_axis(const Variable<double>&);

}  // namespace lamina::detail
