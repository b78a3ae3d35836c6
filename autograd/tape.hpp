// Tape: the record of a computation, and its derivatives by reverse mode.
//
// The tape is a flat vector of nodes in recording order, which is topological order: the backward
// pass is a loop from the end, freeing is a vector clear, nothing recurses. What a node must keep
// for its backward lives in the tape's arena, whose memory stays over clear(): recording allocates
// nothing once the tape has seen a step.
//
//   Tape<float> tape;
//   auto x = tape.watch(Tensor<float>({3}, {1, 2, 3}));
//   auto y = sum(square(x));
//   auto dx = tape.gradients(y, {x})[0];                          // {2, 4, 6}
//
// With .create_graph the gradients are themselves recorded, so that they can be differentiated
// again, to any order. Without it the record is consumed: what the nodes kept is freed while the
// pass runs, and any further use of the tape before clear() is a StateError, unless .keep was
// given.
//
// Errors (all before anything changes): StateError (a stale variable, two tapes in one op, a second
// pass over a consumed record), ArgumentError (a target or source that is not on this tape),
// ShapeError (a target with more than one element and no seed; a seed, or a leaf's gradient that is
// to be added to, of another shape).
// Thread-safety: one thread at a time per tape; any number of tapes may live at once.
#pragma once

#include <functional>
#include <initializer_list>
#include <lamina/autograd/variable.hpp>
#include <memory>
#include <span>
#include <vector>

namespace lamina {

template <Scalar T>
class Backward;
template <Scalar T>
class Recomputation;

// A trainable value that outlives the tape: backward() adds to its gradient.
template <Scalar T>
struct Leaf {
  Tensor<T> value;
  Tensor<T> gradient;     // undefined until something was added
  detail::Anchor anchor;  // where the current tape watches it, so that it is watched once

  Leaf() = default;
  // A copy is another leaf: no tape watches it yet.
  Leaf(const Leaf& other) : value(other.value), gradient(other.gradient) {}
  Leaf& operator=(const Leaf& other) {
    value = other.value;
    gradient = other.gradient;
    anchor = {};
    return *this;
  }
};

template <Scalar T>
struct GradientOptions {
  bool create_graph = false;  // record the backward pass itself; implies keep
  bool keep = false;          // leave the record usable for another pass
  Tensor<T> seed = {};        // dL/dtarget; default: 1 for a target of one element
};

namespace detail {

// Bump allocation in chunks that survive clear().
class Arena {
 public:
  void* take(std::size_t bytes);
  void clear() noexcept;

 private:
  static constexpr std::size_t kChunk = std::size_t{1} << 16;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::vector<std::unique_ptr<std::byte[]>> large_;
  std::size_t chunk_ = 0;
  std::size_t used_ = kChunk;  // of the current chunk; the first take opens one
};

template <Scalar T>
struct Node {
  const char* op = "";
  void (*run)(void* closure, Backward<T>& backward) = nullptr;  // null: a leaf
  void (*destroy)(void* closure) noexcept = nullptr;
  void* closure = nullptr;
  std::uint32_t* inputs = nullptr;  // node numbers, or kConstant
  Variable<T>* saved = nullptr;
  std::uint32_t input_count = 0;
  std::uint16_t saved_count = 0;
  bool unkept = false;  // made inside a part that is recomputed: nothing outside may use it
  Shape shape;
};

inline constexpr std::uint32_t kConstant = 0xffffffffu;

// Marks of the nodes in a pass for some sources: the node is one, or depends on one.
inline constexpr std::uint8_t kSource = 1, kDepends = 2;

}  // namespace detail

template <Scalar T>
class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // A new leaf. The overload for a Leaf returns the same variable when called again before clear().
  Variable<T> watch(Tensor<T> value);
  Variable<T> watch(const std::shared_ptr<Leaf<T>>& leaf);

  // d target / d source for every source; zeros where the target does not depend on it.
  std::vector<Variable<T>> gradients(const Variable<T>& target,
                                     std::span<const Variable<T>> sources,
                                     const GradientOptions<T>& options = {});
  std::vector<Variable<T>> gradients(const Variable<T>& target,
                                     std::initializer_list<Variable<T>> sources,
                                     const GradientOptions<T>& options = {}) {
    return gradients(target, std::span<const Variable<T>>(sources.begin(), sources.size()),
                     options);
  }

  // Adds d loss / d leaf to the gradient of every Leaf that was watched.
  void backward(const Variable<T>& loss, const GradientOptions<T>& options = {});

  // Forgets the record; memory is kept. Variables of this tape become stale. StateError from inside
  // a backward pass.
  void clear();

  std::int64_t nodes() const noexcept { return static_cast<std::int64_t>(nodes_.size()); }
  // Bytes of the tensors that nodes keep for their backward pass.
  std::int64_t saved_bytes() const noexcept { return saved_bytes_; }

  // ---- for record() in op.hpp and Backward ----
  // The tape of the inputs, or null when all are constants or nothing is being recorded.
  static Tape* of(const char* op, std::span<const Variable<T>* const> inputs);
  detail::Arena& arena() noexcept { return arena_; }
  detail::Node<T>& append(const char* op, const Shape& shape);
  void keep_inputs(detail::Node<T>& node, std::span<const Variable<T>* const> inputs);
  void keep_saved(detail::Node<T>& node, std::span<const Variable<T>* const> saved,
                  const Variable<T>* output);
  Variable<T> place_last(Tensor<T>&& value) const;
  // Whether nodes keep what their backward needs: not while recomputed() computes for the first
  // time.
  bool keeps() const noexcept { return !read_; }
  Variable<T> place_unkept(const char* op, std::span<const Variable<T>* const> inputs,
                           Tensor<T>&& output);

 private:
  friend class Backward<T>;
  friend class Recomputation<T>;
  using Node = detail::Node<T>;

  void require_current(const char* who, const Variable<T>& variable, const char* role) const;
  void require_kept(const char* op, std::span<const Variable<T>* const> inputs) const;
  void require_no_pass(const char* who) const;
  Tensor<T> checked_seed(const char* who, const Variable<T>& target, const Tensor<T>& seed) const;
  void require_shapes_of_leaves(std::uint32_t target) const;
  bool depends(std::uint32_t target, std::uint32_t source) const;
  void mark_dependents(std::span<const Variable<T>> sources, std::uint32_t last);
  void mark_dependents(std::uint32_t first, std::uint32_t end);
  void walk(const Variable<T>& target, Tensor<T> seed, bool pruned, bool create_graph, bool keep);
  void run_node(std::uint32_t index, bool create_graph, bool keep);
  void release(Node& node) noexcept;
  void accumulate(std::uint32_t index, Variable<T>&& gradient);
  void add_to_leaves();

  detail::TapeSlot* slot_;
  std::vector<Node> nodes_;
  std::vector<Variable<T>> gradients_;  // of the pass that runs, by node
  std::vector<std::uint8_t> needed_;    // by node: kSource, kDepends
  std::vector<std::pair<std::uint32_t, std::shared_ptr<Leaf<T>>>> leaves_;
  detail::Arena arena_;
  std::int64_t saved_bytes_ = 0;
  // In a part that keeps nothing: where the variables that it reads from outside are listed, and
  // its first node.
  std::vector<Variable<T>>* read_ = nullptr;
  std::uint32_t unkept_from_ = 0;
  bool any_unkept_ = false;
  bool recording_ = true;
  bool walking_ = false;
  bool pruned_ = false;
  bool create_graph_ = false;
  bool consumed_ = false;
};

extern template class Tape<float>;
extern template class Tape<double>;

}  // namespace lamina
