#include <algorithm>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/normalization_axes.hpp>
#include <string>

namespace lamina {

std::vector<int> resolved_axes(const char* who, std::span<const std::int64_t> axis,
                               const Shape& input) {
  const int rank = input.rank();
  if (rank == 0) throw ShapeError(who, "the input must have at least one axis; got a scalar");
  std::vector<int> resolved;
  for (const std::int64_t value : axis) {
    if (value < -rank || value >= rank) {
      throw ShapeError(who, "axis must lie in [" + std::to_string(-rank) + ", " +
                                std::to_string(rank) + "); got axis " + std::to_string(value) +
                                " for input " + input.to_string());
    }
    resolved.push_back(static_cast<int>(value < 0 ? value + rank : value));
  }
  std::sort(resolved.begin(), resolved.end());
  if (std::adjacent_find(resolved.begin(), resolved.end()) != resolved.end()) {
    throw ShapeError(who, "axes must differ; got one axis twice for input " + input.to_string());
  }
  return resolved;
}

NormalizationAxes::NormalizationAxes(std::span<const std::int64_t> axis, const Shape& input)
    : input_(input), kept_(resolved_axes("batch_normalization", axis, input)) {
  const int rank = input.rank(), first = kept_.front(), last = kept_.back();
  const auto is_kept = [&](int a) { return std::binary_search(kept_.begin(), kept_.end(), a); };
  // An axis of extent 1 between two kept ones does not separate them.
  bool adjacent_axes = true;
  for (int a = first; a <= last; ++a) adjacent_axes &= is_kept(a) || input[a] == 1;

  if (adjacent_axes) {
    layout_.channels = input.size_of_axes(first, last + 1);
    layout_.inner = input.size_of_axes(last + 1, rank);
    layout_.outer = first > 0 ? input[0] : 1;
    layout_.middle = first > 0 ? input.size_of_axes(1, first) : 1;
    return;
  }
  for (int a = 0; a < rank; ++a) {
    if (!is_kept(a)) order_.push_back(a);
  }
  const auto reduced = static_cast<int>(order_.size());
  order_.insert(order_.end(), kept_.begin(), kept_.end());
  inverse_.resize(order_.size());
  for (int a = 0; a < rank; ++a) inverse_[static_cast<std::size_t>(order_[a])] = a;

  for (const int a : kept_) layout_.channels *= input[a];
  layout_.outer = input[order_[0]];
  for (int k = 1; k < reduced; ++k) layout_.middle *= input[order_[k]];
}

// The input's rank with 1 on the reduced axes.
Shape NormalizationAxes::full_shape() const {
  std::vector<std::int64_t> extents(static_cast<std::size_t>(input_.rank()), 1);
  for (const int a : kept_) extents[static_cast<std::size_t>(a)] = input_[a];
  return Shape(std::span<const std::int64_t>(extents));
}

Shape NormalizationAxes::parameter_shape() const {
  return kept_.size() == 1 ? Shape{input_[kept_.front()]} : full_shape();
}

template <Scalar T>
std::optional<Variable<T>> NormalizationAxes::per_channel(const Variable<T>& variable) const {
  const Shape full = full_shape();
  if (!broadcasts_to(variable.shape(), full)) return std::nullopt;
  return reshape(broadcast_to(variable, full), parameter_shape());
}

template <Scalar T>
Variable<T> NormalizationAxes::broadcastable(const Variable<T>& coefficient) const {
  return reshape(coefficient, full_shape());
}

template <Scalar T>
Variable<T> NormalizationAxes::arranged(const Variable<T>& x) const {
  return adjacent() ? x : transpose(x, order_);
}

template <Scalar T>
Variable<T> NormalizationAxes::restored(const Variable<T>& y) const {
  return adjacent() ? y : transpose(y, inverse_);
}

template <Scalar T>
Tensor<T> NormalizationAxes::arranged_weights(const Tensor<T>& mask) const {
  if (!mask.defined()) return mask;
  const auto refuse = [&](const char* what) {
    throw ShapeError("batch_normalization", std::string("a mask must ") + what + "; got mask " +
                               mask.shape().to_string() + " for input " + input_.to_string());
  };
  const int rank = input_.rank();
  if (mask.rank() > rank) refuse("have no more axes than the input");
  std::vector<std::int64_t> given(static_cast<std::size_t>(rank), 1), wanted = given;
  for (int a = 0; a < rank; ++a) {
    const auto i = static_cast<std::size_t>(a);
    const bool kept = std::binary_search(kept_.begin(), kept_.end(), a);
    if (a < mask.rank()) given[i] = mask.shape()[a];
    if (!kept) wanted[i] = input_[a];
    if (given[i] != 1 && given[i] != input_[a]) refuse("fit the input's leading axes");
    if (kept && given[i] != 1) refuse("be the same for all channels");
  }
  const Variable<T> weights(mask.reshaped(Shape(std::span<const std::int64_t>(given))));
  const Shape full{std::span<const std::int64_t>(wanted)};
  return arranged(broadcast_to(weights, full)).value().reshaped({full.size()});
}

#define LAMINA_NORMALIZATION_AXES(T)                                                            \
  template Variable<T> NormalizationAxes::arranged(const Variable<T>&) const;                   \
  template Variable<T> NormalizationAxes::restored(const Variable<T>&) const;                   \
  template Tensor<T> NormalizationAxes::arranged_weights(const Tensor<T>&) const;               \
  template std::optional<Variable<T>> NormalizationAxes::per_channel(const Variable<T>&) const; \
  template Variable<T> NormalizationAxes::broadcastable(const Variable<T>&) const;
LAMINA_NORMALIZATION_AXES(float)
LAMINA_NORMALIZATION_AXES(double)
#undef LAMINA_NORMALIZATION_AXES

}  // namespace lamina
