#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/statistics_reduction.hpp>

namespace lamina {

template <Scalar T>
Variable<T> sum_over_shares(const Variable<T>& x, const SharedReduction& reduction) {
  if (!reduction) return x;
  Tensor<double> values = x.value().template cast<double>();
  reduction->sum(values.mutable_values());
  return record<T>(
      "sum_over_shares", {x}, values.template cast<T>(), save_nothing,
      [reduction](Backward<T>& b) { b.add(0, sum_over_shares(b.gradient(), reduction)); });
}

template Variable<float> sum_over_shares(const Variable<float>&, const SharedReduction&);
template Variable<double> sum_over_shares(const Variable<double>&, const SharedReduction&);

}  // namespace lamina
