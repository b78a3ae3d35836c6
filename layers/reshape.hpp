// Layers that only change the shape; the batch axis stays.
//
//   Flatten   x (N, a, b, ...) -> (N, a b ...), row-major: the last axis runs fastest; (N) -> (N,
//   1) Reshape   x (N, ...) -> (N, target_shape...); one extent may be -1, and is inferred
//
// Errors: ArgumentError for a target shape with an extent below -1 or -1 twice; ShapeError for an
// input without axes, or whose elements do not fill the target shape.
// Thread-safety: as Module. Source: Keras 3, layers.Flatten, layers.Reshape.
#pragma once

#include <lamina/layers/detail/plain_layer.hpp>
#include <vector>

namespace lamina {

struct FlattenOptions {
  std::string name = {};

  void visit(OptionVisitor&) {}
};

template <Scalar T>
class Flatten : public PlainLayer<T, FlattenOptions> {
 public:
  explicit Flatten(FlattenOptions options = {});
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "flatten"; }
};

struct ReshapeOptions {
  Required<std::vector<std::int64_t>> target_shape;
  std::string name = {};

  void visit(OptionVisitor& visitor);
  static ReshapeOptions blank() { return {.target_shape = {-1}}; }
};

template <Scalar T>
class Reshape : public PlainLayer<T, ReshapeOptions> {
 public:
  explicit Reshape(ReshapeOptions options);
  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override;
  std::string type() const override { return "reshape"; }
};

extern template class Flatten<float>;
extern template class Flatten<double>;
extern template class Reshape<float>;
extern template class Reshape<double>;

}  // namespace lamina
