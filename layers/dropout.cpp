#include <lamina/autograd/ops/dropout.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/dropout.hpp>
#include <lamina/nn/detail/argument.hpp>

namespace lamina {

namespace {

DropoutOptions checked(DropoutOptions options) {
  if (options.rate >= 0 && options.rate <= 1) return options;
  throw ArgumentError("dropout", "rate must lie in [0, 1]; got " + number_text(options.rate));
}

}  // namespace

template <Scalar T>
Dropout<T>::Dropout(DropoutOptions options)
    : PlainLayer<T, DropoutOptions>(checked(std::move(options))) {}

template <Scalar T>
Variable<T> Dropout<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  const double rate = this->options_.rate;
  if (!ctx.training || rate == 0) return x;
  if (!ctx.rng) {
    throw StateError("dropout", "training needs random numbers; got a context without rng");
  }
  return dropout(x, ctx.rng->stream(this->path(), ctx.step), rate);
}

template class Dropout<float>;
template class Dropout<double>;

}  // namespace lamina
