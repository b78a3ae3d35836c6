#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/reshape.hpp>

namespace lamina {

namespace {

void require_batch(const char* who, const Shape& input) {
  if (input.rank() >= 1) return;
  throw ShapeError(who, "the input must have a batch axis; got input " + input.to_string());
}

std::string list_text(const std::vector<std::int64_t>& extents) {
  std::string text = "(";
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(extents[i]);
  }
  return text + ")";
}

ReshapeOptions checked(ReshapeOptions options) {
  const std::vector<std::int64_t>& target = options.target_shape;
  int inferred = 0;
  for (const std::int64_t extent : target) {
    if (extent < -1) {
      throw ArgumentError("reshape", "target_shape must hold extents of at least 0, or -1; got " +
                                         list_text(target));
    }
    inferred += extent == -1 ? 1 : 0;
  }
  if (inferred > 1) {
    throw ArgumentError("reshape",
                        "target_shape must hold -1 at most once; got " + list_text(target));
  }
  if (target.size() >= kMaxRank) {
    throw ArgumentError("reshape", "target_shape must have at most " +
                                       std::to_string(kMaxRank - 1) + " axes; got " +
                                       list_text(target));
  }
  return options;
}

// The extents of one example; -1 becomes what is left of its `elements`.
Shape example_shape(const std::vector<std::int64_t>& target, const Shape& input,
                    std::int64_t elements) {
  std::int64_t known = 1, product = 1;
  bool overflows = false;
  const auto multiply = [&](std::int64_t& by, std::int64_t extent) {
    overflows = overflows || __builtin_mul_overflow(by, extent, &by);
  };
  for (const std::int64_t extent : target) multiply(known, extent == -1 ? 1 : extent);
  std::vector<std::int64_t> extents{input[0]};
  for (const std::int64_t extent : target) {
    extents.push_back(extent != -1 ? extent : known == 0 ? 0 : elements / known);
    multiply(product, extents.back());
  }
  if (overflows || product != elements) {
    throw ShapeError("reshape", "an example must have the elements of target_shape " +
                                    list_text(target) + "; got input " + input.to_string());
  }
  return Shape(std::span<const std::int64_t>(extents));
}

}  // namespace

void ReshapeOptions::visit(OptionVisitor& visitor) { visitor("target_shape", target_shape.value); }

template <Scalar T>
Flatten<T>::Flatten(FlattenOptions options) : PlainLayer<T, FlattenOptions>(std::move(options)) {}

template <Scalar T>
Variable<T> Flatten<T>::forward(const Variable<T>& x, const Context<T>&) const {
  require_batch("flatten", x.shape());
  return reshape(x, Shape{x.shape()[0], x.shape().size_of_axes(1, x.rank())});
}

template <Scalar T>
Reshape<T>::Reshape(ReshapeOptions options)
    : PlainLayer<T, ReshapeOptions>(checked(std::move(options))) {}

template <Scalar T>
Variable<T> Reshape<T>::forward(const Variable<T>& x, const Context<T>&) const {
  require_batch("reshape", x.shape());
  return reshape(x, example_shape(this->options_.target_shape, x.shape(),
                                  x.shape().size_of_axes(1, x.rank())));
}

template class Flatten<float>;
template class Flatten<double>;
template class Reshape<float>;
template class Reshape<double>;

}  // namespace lamina
