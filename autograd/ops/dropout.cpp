#include <fmt/format.h>

#include <lamina/autograd/kernels/arithmetic.hpp>
#include <lamina/autograd/kernels/selection.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/dropout.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {

namespace {

template <Scalar T>
Tensor<T> dropped(const Tensor<T>& x, const RandomStream& stream, double rate) {
  if (rate == 0) return x;
  if (rate == 1) return Tensor<T>::zeros(x.shape());
  auto mask = Tensor<std::uint8_t>::uninitialized(x.shape());
  stream.fill_keep_mask(mask.mutable_values(), 1 - rate);
  return kernels::keep_scaled(mask, x, static_cast<T>(1 / (1 - rate)));
}

}  // namespace

template <Scalar T>
Variable<T> dropout(const Variable<T>& x, const RandomStream& stream, double rate) {
  if (!(rate >= 0 && rate <= 1)) {
    throw ArgumentError("dropout", fmt::format("rate must lie in [0, 1]; got {}", rate));
  }
  return record<T>(
      "dropout", {x}, dropped(x.value(), stream, rate), save_nothing,
      [stream, rate](Backward<T>& b) { b.add(0, dropout(b.gradient(), stream, rate)); });
}

template Variable<float> dropout(const Variable<float>&, const RandomStream&, double);
template Variable<double> dropout(const Variable<double>&, const RandomStream&, double);

}  // namespace lamina
