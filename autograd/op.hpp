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
// Rules. (1) What a backward calls is ops on variables: then derivatives of any order exist,
// because in a pass with create_graph the variables it gets are tracked. (2) What the backward
// needs is named: save(a, b) keeps variables, save_output keeps the result, save_nothing neither;
// b.saved(i) and b.output() give them back as variables, never as constants. Tensors without
// derivative (indices, masks) are captured by the closure. (3) Ask b.wants(i) before expensive
// work. (4) A fused op may call raw kernels on .value() when b.with_graph() is false, and falls
// back to its composed form when it is true. (5) Shape checks come first, before the kernel runs,
// and name the op. (6) A tensor handed to add() is frozen: only the tape adds into buffers, and
// only into those that it alone owns.
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

  // The same, handed over for its last use: its memory may then serve as the sum of an input's
  // gradient.
  Variable<T> take_gradient() noexcept { return std::move(gradient_); }

  // Whether the gradient of input i is asked for.
  bool wants(int i) const noexcept;

  // Adds to the gradient of input i; ignored where it is not wanted. The shape must be the input's.
  void add(int i, Variable<T> gradient);

  const Variable<T>& saved(int i) const noexcept { return saved_[i]; }
  const Variable<T>& output() const noexcept { return saved_[saved_count_ - 1]; }
  const Shape& output_shape() const noexcept { return gradient_.shape(); }
  // Only of an input that is wanted.
  Shape input_shape(int i) const noexcept { return tape_.nodes_[inputs_[i]].shape; }

  // Whether this pass is itself recorded (create_graph).
  bool with_graph() const noexcept;

 private:
  friend class Tape<T>;
  friend class Recomputation<T>;
  Backward(Tape<T>& tape, const detail::Node<T>& node, Variable<T> gradient)
      : tape_(tape),
        op_(node.op),
        inputs_(node.inputs),
        saved_(node.saved),
        saved_count_(node.saved_count),
        gradient_(std::move(gradient)) {}

  // What the node refers to stays in place; the node itself moves when a recorded pass appends.
  Tape<T>& tape_;
  const char* op_;
  const std::uint32_t* inputs_;
  const Variable<T>* saved_;
  int saved_count_;
  Variable<T> gradient_;
};

extern template class Backward<float>;
extern template class Backward<double>;

namespace detail {

template <Scalar T, class Function>
Variable<T> record(const char* op, std::span<const Variable<T>* const> inputs, Tensor<T>&& output,
                   const Saved<T>& saved, Function&& backward) {
  Tape<T>* tape = Tape<T>::of(op, inputs);
  if (!tape) return Variable<T>(std::move(output));
  if (!tape->keeps()) return tape->place_unkept(op, inputs, std::move(output));

  using F = std::decay_t<Function>;
  Node<T>& node = tape->append(op, output.shape());
  const Variable<T> result = tape->place_last(std::move(output));
  tape->keep_inputs(node, inputs);
  if (saved.count > 0 || saved.output) {
    tape->keep_saved(node, {saved.variables.data(), static_cast<std::size_t>(saved.count)},
                     saved.output ? &result : nullptr);
  }
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

template <Scalar T>
std::span<const Variable<T>* const> addresses(std::initializer_list<Input<T>> inputs) {
  static_assert(sizeof(Input<T>) == sizeof(const Variable<T>*));
  return {reinterpret_cast<const Variable<T>* const*>(inputs.begin()), inputs.size()};
}

}  // namespace detail

// Records `output` as computed from `inputs`; a constant when no input is tracked.
template <Scalar T, class Function>
Variable<T> record(const char* op, std::span<const Variable<T>* const> inputs, Tensor<T> output,
                   const Saved<T>& saved, Function&& backward) {
  return detail::record<T>(op, inputs, std::move(output), saved, std::forward<Function>(backward));
}

template <Scalar T, class Function>
Variable<T> record(const char* op, std::initializer_list<Input<T>> inputs, Tensor<T> output,
                   const Saved<T>& saved, Function&& backward) {
  return detail::record<T>(op, detail::addresses<T>(inputs), std::move(output), saved,
                           std::forward<Function>(backward));
}

template <Scalar T, class Function>
Variable<T> record(const char* op, std::initializer_list<Input<T>> inputs, Tensor<T> output,
                   SaveOutput, Function&& backward) {
  return detail::record<T>(op, detail::addresses<T>(inputs), std::move(output),
                           Saved<T>{.output = true}, std::forward<Function>(backward));
}

template <Scalar T, class Function>
Variable<T> record(const char* op, std::initializer_list<Input<T>> inputs, Tensor<T> output,
                   SaveNothing, Function&& backward) {
  return detail::record<T>(op, detail::addresses<T>(inputs), std::move(output), Saved<T>{},
                           std::forward<Function>(backward));
}

}  // namespace lamina
