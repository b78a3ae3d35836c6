#include <lamina/autograd/ops/dense.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/dense.hpp>
#include <lamina/layers/detail/absorbable.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <lamina/nn/initializers.hpp>

namespace lamina {

namespace {

constexpr const char* kWho = "dense";

// `features` 0: any number.
void require_input(const Shape& input, std::int64_t features) {
  if (input.rank() < 2) {
    throw ShapeError(kWho,
                     "the input must have at least 2 axes (batch, ..., features); got input " +
                         input.to_string());
  }
  if (features == 0 || input[-1] == features) return;
  throw ShapeError(kWho, "the last axis must have " + std::to_string(features) +
                             " features; got input " + input.to_string());
}

}  // namespace

void DenseOptions::visit(OptionVisitor& visitor) {
  visitor("units", units.value);
  visitor("use_bias", use_bias);
  visitor("kernel_initializer", kernel_initializer);
  visitor("bias_initializer", bias_initializer);
  visitor("kernel_regularizer", kernel_regularizer);
  visitor("bias_regularizer", bias_regularizer);
  visitor("kernel_constraint", kernel_constraint);
  visitor("bias_constraint", bias_constraint);
  visitor("in_features", in_features);
}

template <Scalar T>
Dense<T>::Dense(Options options)
    : options_(std::move(options)),
      kernel_(
          {.regularizer = options_.kernel_regularizer, .constraint = options_.kernel_constraint}),
      bias_({.regularizer = options_.bias_regularizer, .constraint = options_.bias_constraint}) {
  require_at_least(kWho, "units", options_.units, 1);
  require_at_least(kWho, "in_features", options_.in_features, 0);
  if (!options_.kernel_initializer) options_.kernel_initializer = glorot_uniform();
  if (!options_.bias_initializer) options_.bias_initializer = zeros();
}

template <Scalar T>
void Dense<T>::visit(Visitor<T>& visitor) {
  visitor("kernel", kernel_);
  if (options_.use_bias) visitor("bias", bias_);
}

template <Scalar T>
void Dense<T>::build(const Shape& input, Builder<T>& builder) {
  require_input(input, options_.in_features);
  builder("kernel", kernel_, {input[-1], options_.units}, options_.kernel_initializer);
  if (options_.use_bias) builder("bias", bias_, {options_.units}, options_.bias_initializer);
}

template <Scalar T>
Variable<T> Dense<T>::forward(const Variable<T>& x, const Context<T>& ctx) const {
  return map(x, ctx, AfterDense::nothing);
}

template <Scalar T>
std::size_t Dense<T>::absorbs(const Shape&, Followers<T> next) const {
  const bool exact = detail::exactly<Dense>(static_cast<const Module<T>&>(*this)) != nullptr;
  return exact && !next.empty() && detail::is_plain_relu(*next[0]) ? 1 : 0;
}

template <Scalar T>
Variable<T> Dense<T>::forward_absorbing(const Variable<T>& x, const Context<T>& ctx,
                                        Followers<T>) const {
  return map(x, ctx, AfterDense::relu);
}

template <Scalar T>
Variable<T> Dense<T>::map(const Variable<T>& x, const Context<T>& ctx, AfterDense after) const {
  require_input(x.shape(), kernel_.shape()[0]);
  return dense(x, kernel_(ctx), options_.use_bias ? bias_(ctx) : Variable<T>(), after);
}

template <Scalar T>
std::int64_t Dense<T>::multiply_adds(const Shape& input, const Shape& output) const {
  return output.size() * input[-1];
}

template class Dense<float>;
template class Dense<double>;

}  // namespace lamina
