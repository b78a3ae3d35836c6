// How an op is written: value and derivative in one function.
//
//   template <Scalar T>
//   Variable<T> tanh(const Variable<T>& x) {
//     return record<T>("tanh", {x}, kernels::tanh(x.value()), save_output, [](Backward<T>& b) {
//       const Variable<T> y = b.output();
//       b.add(0, b.gradient() * (T{1} - y * y));
//     });
//   }
//
// Rules. (1) What a backward calls is ops on variables: then derivatives of any order exist, because in a
// pass with create_graph the variables it gets are tracked. (2) What the backward needs is named: save(a,
// b) keeps variables, save_output keeps the result, save_nothing neither; b.saved(i) and b.output() give
// them back as variables, never as constants. Tensors without derivative (indices, masks) are captured
// by the closure. (3) Ask b.wants(i) before expensive work. (4) A fused op may call raw kernels on
// .value() when b.with_graph() is false, and falls back to its composed form when it is true. (5) Shape
// checks come first, before the kernel runs, and name the op. (6) A tensor handed to add() is frozen: only
// the tape adds into buffers, and only into those that it alone owns.
#pragma once

#include <array>
#include <lamina/autograd/tape.hpp>
#include <new>
#include <type_traits>

namespace lamina {

// A reference to an input, so that `{a, b}` neither copies nor counts.
template <Scalar T>
struct Input {
  const Variable<T>* variable;
  Input(const Variable<T>& v) : variable(&v) {}  // NOLINT: implicit by intent
};

template <Scalar T>
struct Saved {
  std::array<const Variable<T>*, 6> variables{};
  int count = 0;
  bool output = false;
};

// What a node keeps for its backward: up to six variables.
template <Scalar T, class... Others>
Saved<T> save(const Variable<T>& first, const Others&... others) {
  static_assert(sizeof...(Others) < 6);
  return {.variables = {&first, &others...}, .count = 1 + static_cast<int>(sizeof...(Others))};
}
template <Scalar T>
Saved<T> with_output(Saved<T> saved) {
  saved.output = true;
  return saved;
}
struct SaveOutput {};
struct SaveNothing {};
inline constexpr SaveOutput save_output{};
inline constexpr SaveNothing save_nothing{};

// What the backward of a node sees.
template <Scalar T>
class Backward {
 public:
  // dL/d output: what arrives from above.
  const Variable<T>& gradient() const noexcept { return gradient_; }

  // Whether the gradient of input i is asked for.
  bool wants(int i) const noexcept;

  // Adds to the gradient of input i; ignored where it is not wanted. The shape must be the input's.
  void add(int i, Variable<T> gradient);

  const Variable<T>& saved(int i) const noexcept { return node_.saved[i]; }
  const Variable<T>& output() const noexcept { return node_.saved[node_.saved_count - 1]; }
  const Shape& output_shape() const noexcept { return node_.shape; }
  // Only of an input that is wanted.
  Shape input_shape(int i) const noexcept { return tape_.nodes_[node_.inputs[i]].shape; }

  // Whether this pass is itself recorded (create_graph).
  bool with_graph() const noexcept;

 private:
  friend class Tape<T>;
  Backward(Tape<T>& tape, const detail::Node<T>& node, Variable<T> gradient)
      : tape_(tape), node_(node), gradient_(std::move(gradient)) {}

  Tape<T>& tape_;
  detail::Node<T> node_;  // a copy: with create_graph the vector of nodes grows meanwhile
  Variable<T> gradient_;
};

extern template class Backward<float>;
extern template class Backward<double>;

// Records `output` as computed from `inputs`; a constant when no input is tracked.
template <Scalar T, class Function>
Variable<T> record(const char* op, std::span<const Variable<T>* const> inputs, Tensor<T> output,
                   const Saved<T>& saved, Function&& backward) {
  Tape<T>* tape = Tape<T>::of(op, inputs);
  if (!tape) return Variable<T>(std::move(output));

  using F = std::decay_t<Function>;
  detail::Node<T>& node = tape->append(op, output.shape());
  const Variable<T> result = tape->place_last(std::move(output));
  tape->keep_inputs(node, inputs);
  tape->keep_saved(
      node, {saved.variables.data(), static_cast<std::size_t>(saved.count)},
      saved.output ? &result : nullptr);
  if constexpr (!std::is_empty_v<F>) {
    static_assert(alignof(F) <= 16);
    node.closure = new (tape->arena().take(sizeof(F))) F(std::forward<Function>(backward));
    if constexpr (!std::is_trivially_destructible_v<F>) {
      node.destroy = [](void* closure) noexcept { static_cast<F*>(closure)->~F(); };
    }
    node.run = [](void* closure, Backward<T>& b) { (*static_cast<F*>(closure))(b); };
  } else {
    node.run = [](void*, Backward<T>& b) { F{}(b); };
  }
  return result;
}

template <Scalar T, class Function>
Variable<T> record(const char* op, std::initializer_list<Input<T>> inputs, Tensor<T> output,
                   const Saved<T>& saved, Function&& backward) {
  static_assert(sizeof(Input<T>) == sizeof(const Variable<T>*));
  const auto* first = reinterpret_cast<const Variable<T>* const*>(inputs.begin());
  return record<T>(op, std::span<const Variable<T>* const>(first, inputs.size()),
                   std::move(output), saved, std::forward<Function>(backward));
}

template <Scalar T, class Function>
Variable<T> record(const char* op, std::initializer_list<Input<T>> inputs, Tensor<T> output,
                   SaveOutput, Function&& backward) {
  return record<T>(op, inputs, std::move(output), Saved<T>{.output = true},
                   std::forward<Function>(backward));
}

template <Scalar T, class Function>
Variable<T> record(const char* op, std::initializer_list<Input<T>> inputs, Tensor<T> output,
                   SaveNothing, Function&& backward) {
  return record<T>(op, inputs, std::move(output), Saved<T>{}, std::forward<Function>(backward));
}

}  // namespace lamina
