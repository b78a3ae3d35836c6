#include <algorithm>
#include <lamina/autograd/kernels/strided_copy.hpp>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/reduction.hpp>
#include <lamina/autograd/ops/shape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <limits>
#include <string>

namespace lamina {

namespace {

using kernels::Strides;

std::string list_text(std::span<const std::int64_t> list) {
  std::string text = "(";
  for (const std::int64_t entry : list) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(entry);
  }
  return text + ")";
}

// Replaces an extent of -1 by what the size asks for.
Shape inferred_shape(const Shape& from, std::span<const std::int64_t> extents) {
  const auto fail = [&] {
    return ShapeError("reshape",
                      "the number of elements must stay, with at most one extent of -1; "
                      "got " +
                          list_text(extents) + " for " + from.to_string());
  };
  if (extents.size() > kMaxRank) throw fail();
  std::array<std::int64_t, kMaxRank> known{};
  std::copy(extents.begin(), extents.end(), known.begin());
  const auto unknown = std::find(known.begin(), known.begin() + extents.size(), -1);
  if (unknown == known.begin() + extents.size()) {
    if (std::any_of(extents.begin(), extents.end(), [](auto extent) { return extent < 0; })) {
      throw fail();
    }
    return Shape(extents);
  }
  *unknown = 1;
  if (std::any_of(known.begin(), known.end(), [](auto extent) { return extent < 0; })) throw fail();
  const std::span<const std::int64_t> rest(known.data(), extents.size());
  const std::int64_t size = Shape(rest).size();
  if (size == 0 || from.size() % size != 0) throw fail();
  *unknown = from.size() / size;
  return Shape(rest);
}

// A permutation in the tape: where axis i of the result comes from.
struct Permutation {
  std::array<int, kMaxRank> axes{};
  int rank = 0;

  Permutation inverse() const {
    Permutation result{.rank = rank};
    for (int i = 0; i < rank; ++i) {
      result.axes[static_cast<std::size_t>(axes[static_cast<std::size_t>(i)])] = i;
    }
    return result;
  }
};

Permutation permutation_of(const Shape& shape, std::span<const int> axes) {
  const auto text = [&] {
    std::string list = "(";
    for (const int axis : axes) list += (list.size() > 1 ? ", " : "") + std::to_string(axis);
    return list + ")";
  };
  Permutation result{.rank = shape.rank()};
  bool right = static_cast<int>(axes.size()) == shape.rank();
  std::array<bool, kMaxRank> seen{};
  for (std::size_t i = 0; right && i < axes.size(); ++i) {
    int axis = axes[i];
    if (axis < 0) axis += shape.rank();
    right = axis >= 0 && axis < shape.rank() && !seen[static_cast<std::size_t>(axis)];
    if (!right) break;
    seen[static_cast<std::size_t>(axis)] = true;
    result.axes[i] = axis;
  }
  if (right) return result;
  throw ArgumentError("transpose", "the axes must be a permutation of the tensor's; got " + text() +
                                       " for " + shape.to_string());
}

template <Scalar T>
Tensor<T> permuted(const Tensor<T>& x, const Permutation& permutation) {
  const Strides from = kernels::dense_strides(x.shape());
  Strides strides{};
  std::array<std::int64_t, kMaxRank> extents{};
  for (int i = 0; i < permutation.rank; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const int axis = permutation.axes[at];
    extents[at] = x.shape()[axis];
    strides[at] = from[static_cast<std::size_t>(axis)];
  }
  const Shape shape({extents.data(), static_cast<std::size_t>(permutation.rank)});
  Tensor<T> y = Tensor<T>::uninitialized(shape);
  kernels::strided_copy(shape, x.data(), strides, y.mutable_data(), kernels::dense_strides(shape));
  return y;
}

template <Scalar T>
Variable<T> permute(const Variable<T>& x, const Permutation& permutation) {
  return record<T>(
      "transpose", {x}, permuted(x.value(), permutation), save_nothing,
      [permutation](Backward<T>& b) { b.add(0, permute(b.gradient(), permutation.inverse())); });
}

// What a slice takes of every axis: elements first, first + step, ... `counts` gives how many.
struct Window {
  Strides first{};
  Strides step{};
  Shape whole;   // the shape that is cut
  Shape counts;  // the shape of the cut

  std::int64_t offset(const Strides& strides) const {
    std::int64_t result = 0;
    for (std::size_t i = 0; i < kMaxRank; ++i) result += first[i] * strides[i];
    return result;
  }
  Strides strides(const Strides& of_whole) const {
    Strides result{};
    for (std::size_t i = 0; i < kMaxRank; ++i) result[i] = step[i] * of_whole[i];
    return result;
  }
};

template <Scalar T>
Variable<T> cut(const Variable<T>& x, const Window& window);

// The adjoint of cut, and padding: `x` at the window's places in a tensor full of `fill`.
template <Scalar T>
Variable<T> place(const char* op, const Variable<T>& x, const Window& window, double fill) {
  Tensor<T> y(window.whole, static_cast<T>(fill));
  const Strides strides = kernels::dense_strides(window.whole);
  if (x.size() > 0) {
    kernels::strided_copy(window.counts, x.value().data(), kernels::dense_strides(window.counts),
                          y.mutable_data() + window.offset(strides), window.strides(strides));
  }
  return record<T>(op, {x}, std::move(y), save_nothing,
                   [window](Backward<T>& b) { b.add(0, cut(b.gradient(), window)); });
}

template <Scalar T>
Variable<T> cut(const Variable<T>& x, const Window& window) {
  Tensor<T> y = Tensor<T>::uninitialized(window.counts);
  const Strides strides = kernels::dense_strides(window.whole);
  if (y.size() > 0) {
    kernels::strided_copy(window.counts, x.value().data() + window.offset(strides),
                          window.strides(strides), y.mutable_data(),
                          kernels::dense_strides(window.counts));
  }
  return record<T>("slice", {x}, std::move(y), save_nothing, [window](Backward<T>& b) {
    b.add(0, place("slice_adjoint", b.gradient(), window, 0));
  });
}

struct Steps {
  std::int64_t first;
  std::int64_t step;
  std::int64_t count;
};

// NumPy's rules: positions outside are clipped to the ends.
Steps steps_of(const Range& range, std::int64_t extent) {
  const bool forward = range.step > 0;
  const std::int64_t lowest = forward ? 0 : -1;
  const std::int64_t highest = forward ? extent : extent - 1;
  const auto resolve = [&](const std::optional<std::int64_t>& position, std::int64_t otherwise) {
    if (!position) return otherwise;
    return std::clamp(*position < 0 ? *position + extent : *position, lowest, highest);
  };
  const std::int64_t start = resolve(range.start, forward ? lowest : highest);
  const std::int64_t stop = resolve(range.stop, forward ? highest : lowest);
  const std::int64_t distance = forward ? stop - start : start - stop;
  if (distance <= 0) return {0, range.step, 0};
  // Written so that a step of -2^63 does not overflow.
  const auto stride =
      forward ? static_cast<std::uint64_t>(range.step) : 0 - static_cast<std::uint64_t>(range.step);
  const auto count =
      static_cast<std::int64_t>((static_cast<std::uint64_t>(distance) - 1) / stride) + 1;
  return {start, count == 1 ? 1 : range.step, count};
}

template <Scalar T>
void check_pads(const Variable<T>& x, std::span<const Pad> pads) {
  if (static_cast<int>(pads.size()) != x.rank()) {
    throw ShapeError("pad", "every axis must have its pads; got " + std::to_string(pads.size()) +
                                " for " + x.shape().to_string());
  }
  for (const Pad& one : pads) {
    const std::string found =
        "; got (" + std::to_string(one.before) + ", " + std::to_string(one.after) + ")";
    if (one.before < 0 || one.after < 0) {
      throw ArgumentError("pad", "pads must not be negative" + found);
    }
    // Their sum with an extent then fits in 64 bits.
    if (std::max(one.before, one.after) > std::numeric_limits<std::int64_t>::max() / 4) {
      throw ArgumentError("pad", "pads must be below 2^61" + found);
    }
  }
}

}  // namespace

template <Scalar T>
Variable<T> reshape(const Variable<T>& x, const Shape& shape) {
  if (x.size() != shape.size()) {
    throw ShapeError("reshape", "the number of elements must stay; got " + shape.to_string() +
                                    " for " + x.shape().to_string());
  }
  const Shape before = x.shape();
  return record<T>("reshape", {x}, x.value().reshaped(shape), save_nothing,
                   [before](Backward<T>& b) { b.add(0, reshape(b.gradient(), before)); });
}

template <Scalar T>
Variable<T> reshape(const Variable<T>& x, std::span<const std::int64_t> extents) {
  return reshape(x, inferred_shape(x.shape(), extents));
}

template <Scalar T>
Variable<T> transpose(const Variable<T>& x) {
  Permutation reversed{.rank = x.rank()};
  for (int i = 0; i < x.rank(); ++i) reversed.axes[static_cast<std::size_t>(i)] = x.rank() - 1 - i;
  return permute(x, reversed);
}

template <Scalar T>
Variable<T> transpose(const Variable<T>& x, std::span<const int> axes) {
  return permute(x, permutation_of(x.shape(), axes));
}

template <Scalar T>
Variable<T> slice(const Variable<T>& x, std::span<const Range> ranges) {
  if (static_cast<int>(ranges.size()) > x.rank()) {
    throw ShapeError("slice", "there must be at most one range per axis; got " +
                                  std::to_string(ranges.size()) + " ranges for " +
                                  x.shape().to_string());
  }
  Window window{.whole = x.shape(), .counts = x.shape()};
  window.step.fill(1);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].step == 0) {
      throw ArgumentError("slice", "a step must not be 0; got 0 for axis " + std::to_string(i));
    }
    const int axis = static_cast<int>(i);
    const Steps steps = steps_of(ranges[i], x.shape()[axis]);
    window.first[i] = steps.first;
    window.step[i] = steps.step;
    window.counts = window.counts.with(axis, steps.count);
  }
  return cut(x, window);
}

template <Scalar T>
Variable<T> pad(const Variable<T>& x, std::span<const Pad> pads, double value) {
  check_pads(x, pads);
  Window window{.whole = x.shape(), .counts = x.shape()};
  window.step.fill(1);
  for (std::size_t i = 0; i < pads.size(); ++i) {
    const int axis = static_cast<int>(i);
    window.first[i] = pads[i].before;
    window.whole = window.whole.with(axis, x.shape()[axis] + pads[i].before + pads[i].after);
  }
  return place("pad", x, window, value);
}

template <Scalar T>
Variable<T> flip(const Variable<T>& x, const Axes& axes) {
  const unsigned mask = axes.mask(x.rank(), "flip");
  std::array<Range, kMaxRank> ranges{};
  for (unsigned axis = 0; axis < kMaxRank; ++axis) {
    if ((mask >> axis & 1u) != 0) ranges[axis].step = -1;
  }
  return slice(x, std::span<const Range>(ranges.data(), static_cast<std::size_t>(x.rank())));
}

template <Scalar T>
Variable<T> tile(const Variable<T>& x, std::span<const std::int64_t> multiples) {
  if (static_cast<int>(multiples.size()) != x.rank()) {
    throw ShapeError("tile", "every axis must have its multiple; got " + list_text(multiples) +
                                 " for " + x.shape().to_string());
  }
  if (std::any_of(multiples.begin(), multiples.end(), [](auto multiple) { return multiple < 0; })) {
    throw ArgumentError("tile", "multiples must not be negative; got " + list_text(multiples));
  }
  // Axis by axis from the last, as (before, 1, this and behind) -> (before, multiple, ...).
  Variable<T> y = x;
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    const std::int64_t multiple = multiples[static_cast<std::size_t>(axis)];
    if (multiple == 1) continue;
    const Shape shape = y.shape();
    const std::int64_t before = shape.size_of_axes(0, axis);
    const std::int64_t behind = shape.size_of_axes(axis, shape.rank());
    y = reshape(y, Shape{before, 1, behind});
    y = reshape(broadcast_to(y, Shape{before, multiple, behind}),
                shape.with(axis, shape[axis] * multiple));
  }
  return y;
}

template <Scalar T>
Variable<T> broadcast_to(const Variable<T>& x, const Shape& shape) {
  if (!broadcasts_to(x.shape(), shape)) {
    throw ShapeError("broadcast_to", "extents must agree or be 1; got " + x.shape().to_string() +
                                         ", expected what broadcasts to " + shape.to_string());
  }
  const Shape before = x.shape();
  Tensor<T> y = x.value();
  if (!(before == shape)) {
    const Strides dense = kernels::dense_strides(before);
    Strides strides{};
    const int added = shape.rank() - before.rank();
    for (int axis = 0; axis < before.rank(); ++axis) {
      if (before[axis] == 1) continue;
      strides[static_cast<std::size_t>(axis + added)] = dense[static_cast<std::size_t>(axis)];
    }
    y = Tensor<T>::uninitialized(shape);
    kernels::strided_copy(shape, x.value().data(), strides, y.mutable_data(),
                          kernels::dense_strides(shape));
  }
  return record<T>("broadcast_to", {x}, std::move(y), save_nothing, [before](Backward<T>& b) {
    b.add(0, b.output_shape() == before ? b.gradient() : sum_to(b.gradient(), before));
  });
}

#define LAMINA_INSTANTIATE(T)                                                      \
  template Variable<T> reshape(const Variable<T>&, const Shape&);                  \
  template Variable<T> reshape(const Variable<T>&, std::span<const std::int64_t>); \
  template Variable<T> transpose(const Variable<T>&);                              \
  template Variable<T> transpose(const Variable<T>&, std::span<const int>);        \
  template Variable<T> slice(const Variable<T>&, std::span<const Range>);          \
  template Variable<T> pad(const Variable<T>&, std::span<const Pad>, double);      \
  template Variable<T> flip(const Variable<T>&, const Axes&);                      \
  template Variable<T> tile(const Variable<T>&, std::span<const std::int64_t>);    \
  template Variable<T> broadcast_to(const Variable<T>&, const Shape&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
