#include <fmt/core.h>

#include <lamina/autograd/kernels/strided_copy.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/join.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <vector>

namespace lamina {

namespace {

template <Scalar T>
void require_inputs(const char* who, std::span<const Variable<T>> inputs) {
  if (inputs.empty()) {
    throw ArgumentError(who, "there must be at least one input; got none");
  }
}

// The addresses of the inputs, for record(): on the stack where there are few.
template <Scalar T>
class Addresses {
 public:
  explicit Addresses(std::span<const Variable<T>> inputs) : count_(inputs.size()) {
    if (count_ > few_.size()) many_.resize(count_);
    const Variable<T>** const to = count_ > few_.size() ? many_.data() : few_.data();
    for (std::size_t i = 0; i < count_; ++i) to[i] = &inputs[i];
  }
  std::span<const Variable<T>* const> list() const {
    return {count_ > few_.size() ? many_.data() : few_.data(), count_};
  }

 private:
  std::array<const Variable<T>*, 16> few_;
  std::vector<const Variable<T>*> many_;
  std::size_t count_;
};

template <Scalar T>
Shape joined_shape(std::span<const Variable<T>> inputs, int axis) {
  const Shape& first = inputs[0].shape();
  std::int64_t extent = 0;
  for (const Variable<T>& input : inputs) {
    if (input.rank() != first.rank() || !(input.shape().with(axis, first[axis]) == first)) {
      throw ShapeError("concatenate",
                       fmt::format("inputs must agree but for axis {}; got {} and {}", axis,
                                   first.to_string(), input.shape().to_string()));
    }
    extent += input.shape()[axis];
  }
  return first.with(axis, extent);
}

// The part [first, last) of an axis.
template <Scalar T>
Variable<T> part(const Variable<T>& x, int axis, std::int64_t first, std::int64_t last) {
  std::array<Range, kMaxRank> ranges{};
  ranges[static_cast<std::size_t>(axis)] = {.start = first, .stop = last};
  return slice(x, std::span<const Range>(ranges.data(), static_cast<std::size_t>(axis + 1)));
}

}  // namespace

template <Scalar T>
Variable<T> concatenate(std::span<const Variable<T>> inputs, int axis) {
  require_inputs("concatenate", inputs);
  const int at = normalized_axis(axis, inputs[0].rank(), "concatenate");
  Tensor<T> y = Tensor<T>::uninitialized(joined_shape(inputs, at));
  const kernels::Strides strides = kernels::dense_strides(y.shape());
  // Where every input ends; a tensor, because its memory is reused from step to step.
  Tensor<std::int64_t> ends =
      Tensor<std::int64_t>::uninitialized({static_cast<std::int64_t>(inputs.size())});
  std::int64_t end = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Shape& shape = inputs[i].shape();
    kernels::strided_copy(shape, inputs[i].value().data(), kernels::dense_strides(shape),
                          y.mutable_data() + end * strides[static_cast<std::size_t>(at)], strides);
    end += shape[at];
    ends.mutable_data()[i] = end;
  }
  return record<T>("concatenate", Addresses<T>(inputs).list(), std::move(y), Saved<T>{},
                   [ends, at](Backward<T>& b) {
                     std::int64_t first = 0;
                     for (int i = 0; i < static_cast<int>(ends.size()); ++i) {
                       const std::int64_t last = ends.data()[i];
                       if (b.wants(i)) b.add(i, part(b.gradient(), at, first, last));
                       first = last;
                     }
                   });
}

template <Scalar T>
Variable<T> stack(std::span<const Variable<T>> inputs, int axis) {
  require_inputs("stack", inputs);
  const Shape& first = inputs[0].shape();
  const int at = normalized_axis(axis, first.rank() + 1, "stack");
  for (const Variable<T>& input : inputs) {
    if (input.shape() == first) continue;
    throw ShapeError("stack", fmt::format("inputs must have one shape; got {} and {}",
                                          first.to_string(), input.shape().to_string()));
  }
  const auto count = static_cast<std::int64_t>(inputs.size());
  const Shape one = first.inserted(at, 1);
  Tensor<T> y = Tensor<T>::uninitialized(first.inserted(at, count));
  const kernels::Strides strides = kernels::dense_strides(y.shape());
  T* to = y.mutable_data();
  for (const Variable<T>& input : inputs) {
    kernels::strided_copy(one, input.value().data(), kernels::dense_strides(one), to, strides);
    to += strides[static_cast<std::size_t>(at)];
  }
  return record<T>("stack", Addresses<T>(inputs).list(), std::move(y), Saved<T>{},
                   [at, count](Backward<T>& b) {
                     const Shape shape = b.output_shape().without(at);
                     for (int i = 0; i < count; ++i) {
                       if (!b.wants(i)) continue;
                       b.add(i, reshape(part(b.gradient(), at, i, i + 1), shape));
                     }
                   });
}

#define LAMINA_INSTANTIATE(T)                                          \
  template Variable<T> concatenate(std::span<const Variable<T>>, int); \
  template Variable<T> stack(std::span<const Variable<T>>, int);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
