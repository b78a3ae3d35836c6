#include <algorithm>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/recompute.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina {

namespace {
constexpr const char* kWho = "recomputed";
}

template <Scalar T>
class Recomputation {
 public:
  static Variable<T> place(Tape<T>& tape, const Variable<T>& x, const Computation<T>& function,
                           const std::function<Computation<T>()>& make_again) {
    if (!tape.recording_ || !tape.keeps()) return function(x);
    std::vector<Variable<T>> read;
    const Variable<T> y = computed_unkept(tape, x, function, read);
    if (!y.tracked()) return y;
    if (is_from_outside(tape, y)) return y;

    std::vector<const Variable<T>*> inputs;
    Indices indices;
    for (const Variable<T>& variable : read) {
      inputs.push_back(&variable);
      indices.push_back(variable.anchor().index);
    }
    std::sort(indices.begin(), indices.end());
    return record<T>(kWho, inputs, y.value(), save(x),
                     [again = make_again(), indices = std::move(indices)](Backward<T>& b) {
                       differentiate(b, again, indices);
                     });
  }

 private:
  using Indices = std::vector<std::uint32_t>;  // ascending

  static Variable<T> computed_unkept(Tape<T>& tape, const Variable<T>& x,
                                     const Computation<T>& function,
                                     std::vector<Variable<T>>& read) {
    struct Restore {
      Tape<T>& tape;
      ~Restore() { tape.read_ = nullptr; }
    } restore{tape};
    tape.read_ = &read;
    tape.unkept_from_ = static_cast<std::uint32_t>(tape.nodes_.size());
    Variable<T> y = function(x);
    if (y.tracked()) tape.require_current(kWho, y, "result");
    return y;
  }

  // x, or another variable that was there before.
  static bool is_from_outside(const Tape<T>& tape, const Variable<T>& y) {
    return !tape.nodes_[y.anchor().index].unkept;
  }

  // The part is recorded behind the nodes that there are, and the pass goes through it from its
  // end. Its nodes refer to the very variables that the part read, so that the pass goes on with
  // their sums: no gradient of the part is summed apart.
  static void differentiate(Backward<T>& b, const Computation<T>& again, const Indices& read) {
    Tape<T>& tape = b.tape_;
    const auto first = static_cast<std::uint32_t>(tape.nodes_.size());
    const std::uint32_t result = record_again(b, again, read);
    const auto end = static_cast<std::uint32_t>(tape.nodes_.size());
    tape.gradients_.resize(end);
    if (tape.pruned_) {
      tape.needed_.resize(end, 0);
      tape.mark_dependents(first, end);
    }
    tape.gradients_[result] = b.take_gradient();
    for (std::uint32_t i = end; i-- > first;) tape.run_node(i, tape.create_graph_, false);
    if (!tape.create_graph_) forget(tape, first, end);
  }

  // The node of the result.
  static std::uint32_t record_again(Backward<T>& b, const Computation<T>& again,
                                    const Indices& read) {
    Tape<T>& tape = b.tape_;
    const auto first = static_cast<std::uint32_t>(tape.nodes_.size());
    const std::size_t leaves = tape.leaves_.size();
    tape.recording_ = true;
    const Variable<T> y = again(b.saved(0));
    tape.recording_ = tape.create_graph_;

    if (!(y.shape() == b.output_shape())) {
      throw StateError(kWho, "a part must give the same shape when it is computed again; got " +
                                 y.shape().to_string() + ", expected " +
                                 b.output_shape().to_string());
    }
    const bool made_anew =
        y.anchor().slot == tape.slot_ && y.anchor().current() && y.anchor().index >= first;
    if (!made_anew || tape.leaves_.size() > leaves || read_from_outside(tape, first) != read) {
      throw StateError(kWho,
                       "a part must read the same variables when it is computed again; got "
                       "others, or other parameters that are trainable");
    }
    return y.anchor().index;
  }

  static Indices read_from_outside(const Tape<T>& tape, std::uint32_t first) {
    Indices found;
    for (std::size_t i = first; i < tape.nodes_.size(); ++i) {
      const auto& node = tape.nodes_[i];
      std::copy_if(node.inputs, node.inputs + node.input_count, std::back_inserter(found),
                   [&](std::uint32_t input) { return input < first; });
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }

  // The nodes stay, so that a variable which the part put aside is recognized.
  static void forget(Tape<T>& tape, std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t i = first; i < end; ++i) {
      auto& node = tape.nodes_[i];
      if (!node.run) continue;  // a leaf
      tape.release(node);
      node.run = nullptr;
      node.unkept = true;
      tape.any_unkept_ = true;
    }
  }
};

template <Scalar T>
Variable<T> recomputed(Tape<T>& tape, const Variable<T>& x, const Computation<T>& function,
                       const std::function<Computation<T>()>& make_again) {
  return Recomputation<T>::place(tape, x, function, make_again);
}

template <Scalar T>
Variable<T> recomputed(Tape<T>& tape, const Variable<T>& x, const Computation<T>& function) {
  return recomputed<T>(tape, x, function, [&] { return function; });
}

#define LAMINA_RECOMPUTE(T)                                                             \
  template Variable<T> recomputed(Tape<T>&, const Variable<T>&, const Computation<T>&); \
  template Variable<T> recomputed(Tape<T>&, const Variable<T>&, const Computation<T>&,  \
                                  const std::function<Computation<T>()>&);
LAMINA_RECOMPUTE(float)
LAMINA_RECOMPUTE(double)
#undef LAMINA_RECOMPUTE

}  // namespace lamina
