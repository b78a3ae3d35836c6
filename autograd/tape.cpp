#include <algorithm>
#include <lamina/autograd/op.hpp>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/tape.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <mutex>
#include <string>

namespace lamina {

namespace detail {

void* Arena::take(std::size_t bytes) {
  bytes = (bytes + 15) & ~std::size_t{15};
  if (bytes > kChunk) {
    large_.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));
    return large_.back().get();
  }
  if (used_ + bytes > kChunk) {
    const std::size_t next = chunks_.empty() ? 0 : chunk_ + 1;
    if (next >= chunks_.size()) {
      chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunk));
    }
    chunk_ = next;  // only now: growing may have failed
    used_ = 0;
  }
  std::byte* memory = chunks_[chunk_].get() + used_;
  used_ += bytes;
  return memory;
}

void Arena::clear() noexcept {
  large_.clear();
  chunk_ = 0;
  used_ = chunks_.empty() ? kChunk : 0;
}

namespace {

std::mutex slot_mutex;
TapeSlot* free_slots = nullptr;

TapeSlot* take_slot(void* tape) {
  std::lock_guard lock(slot_mutex);
  TapeSlot* slot = free_slots;
  if (slot) {
    free_slots = slot->next_free;
  } else {
    slot = new TapeSlot;
  }
  slot->tape = tape;
  return slot;
}

void give_slot(TapeSlot* slot) {
  std::lock_guard lock(slot_mutex);
  slot->tape = nullptr;
  slot->next_free = free_slots;
  free_slots = slot;
}

}  // namespace
}  // namespace detail

template <Scalar T>
Tape<T>::Tape() : slot_(detail::take_slot(this)) {}

template <Scalar T>
Tape<T>::~Tape() {
  clear();
  detail::give_slot(slot_);
}

template <Scalar T>
void Tape<T>::clear() {
  if (walking_) throw StateError("clear", "a backward pass must not clear its own tape");
  if (read_) throw StateError("clear", "a part that is recomputed must not clear its tape");
  slot_->generation.fetch_add(1, std::memory_order_relaxed);
  for (Node& node : nodes_) release(node);
  nodes_.clear();
  leaves_.clear();
  arena_.clear();
  any_unkept_ = false;
  consumed_ = false;
}

template <Scalar T>
Variable<T> Tape<T>::watch(Tensor<T> value) {
  append("watch", value.shape());
  return place_last(std::move(value));
}

template <Scalar T>
Variable<T> Tape<T>::watch(const std::shared_ptr<Leaf<T>>& leaf) {
  if (leaf->anchor.slot == slot_ && leaf->anchor.current()) {
    return Variable<T>(Tensor<T>(leaf->value), leaf->anchor);
  }
  Variable<T> variable = watch(leaf->value);
  leaves_.emplace_back(variable.anchor_.index, leaf);
  leaf->anchor = variable.anchor_;
  return variable;
}

template <Scalar T>
Tape<T>* Tape<T>::of(const char* op, std::span<const Variable<T>* const> inputs) {
  detail::TapeSlot* slot = nullptr;
  for (const Variable<T>* input : inputs) {
    if (!input->anchor_.slot) continue;
    if (!input->anchor_.current()) {
      throw StateError(op,
                       "every input must belong to a living record; got a variable whose tape "
                       "was cleared or destroyed");
    }
    if (slot && slot != input->anchor_.slot) {
      throw StateError(op, "all inputs must belong to one tape; got variables of two");
    }
    slot = input->anchor_.slot;
  }
  Tape* tape = slot ? static_cast<Tape*>(slot->tape) : nullptr;
  if (!tape) return nullptr;
  if (tape->any_unkept_) tape->require_kept(op, inputs);
  return tape->recording_ ? tape : nullptr;
}

template <Scalar T>
void Tape<T>::require_kept(const char* op, std::span<const Variable<T>* const> inputs) const {
  for (const Variable<T>* input : inputs) {
    if (!input->anchor_.slot || !nodes_[input->anchor_.index].unkept) continue;
    if (read_ && input->anchor_.index >= unkept_from_) continue;  // made in the part itself
    throw StateError(op,
                     "what is made inside a part that is recomputed must leave it as its result; "
                     "got a variable that was put aside");
  }
}

template <Scalar T>
detail::Node<T>& Tape<T>::append(const char* op, const Shape& shape) {
  if (consumed_) {
    throw StateError(op,
                     "the record must not be consumed; backward() already used it up, call "
                     "clear() first or pass .keep = true");
  }
  Node& node = nodes_.emplace_back();
  node.op = op;
  node.shape = shape;
  return node;
}

template <Scalar T>
void Tape<T>::keep_inputs(Node& node, std::span<const Variable<T>* const> inputs) {
  node.inputs = static_cast<std::uint32_t*>(arena_.take(inputs.size() * sizeof(std::uint32_t)));
  node.input_count = static_cast<std::uint32_t>(inputs.size());
  std::transform(inputs.begin(), inputs.end(), node.inputs, [](const Variable<T>* input) {
    return input->anchor_.slot ? input->anchor_.index : detail::kConstant;
  });
}

template <Scalar T>
void Tape<T>::keep_saved(Node& node, std::span<const Variable<T>* const> saved,
                         const Variable<T>* output) {
  const std::size_t count = saved.size() + (output ? 1 : 0);
  if (count == 0) return;
  node.saved = static_cast<Variable<T>*>(arena_.take(count * sizeof(Variable<T>)));
  for (const Variable<T>* variable : saved) {
    new (node.saved + node.saved_count++) Variable<T>(*variable);
    saved_bytes_ += variable->value().bytes();
  }
  if (output) {
    new (node.saved + node.saved_count++) Variable<T>(*output);
    saved_bytes_ += output->value().bytes();
  }
}

template <Scalar T>
Variable<T> Tape<T>::place_last(Tensor<T>&& value) const {
  return Variable<T>(std::move(value),
                     detail::Anchor{slot_, slot_->generation.load(std::memory_order_relaxed),
                                    static_cast<std::uint32_t>(nodes_.size() - 1)});
}

template <Scalar T>
Variable<T> Tape<T>::place_unkept(const char* op, std::span<const Variable<T>* const> inputs,
                                  Tensor<T>&& output) {
  for (const Variable<T>* input : inputs) {
    const detail::Anchor& anchor = input->anchor_;
    if (!anchor.slot || nodes_[anchor.index].unkept) continue;
    const auto listed = std::any_of(read_->begin(), read_->end(), [&](const Variable<T>& other) {
      return other.anchor_.index == anchor.index;
    });
    if (!listed) read_->push_back(*input);
  }
  append(op, output.shape()).unkept = true;
  any_unkept_ = true;
  return place_last(std::move(output));
}

template <Scalar T>
void Tape<T>::release(Node& node) noexcept {
  for (int i = 0; i < node.saved_count; ++i) {
    saved_bytes_ -= node.saved[i].value().bytes();
    node.saved[i].~Variable<T>();
  }
  node.saved_count = 0;
  if (node.destroy) node.destroy(node.closure);
  node.destroy = nullptr;
}

template <Scalar T>
void Tape<T>::require_current(const char* who, const Variable<T>& variable,
                              const char* role) const {
  if (variable.anchor_.slot == slot_ && variable.anchor_.current()) {
    const Variable<T>* const inputs[] = {&variable};
    return require_kept(who, inputs);
  }
  const std::string subject = std::string("the ") + role + " must be recorded on this tape; got ";
  if (!variable.tracked()) throw ArgumentError(who, subject + "a constant");
  if (!variable.anchor_.current()) throw StateError(who, subject + "a stale variable");
  throw ArgumentError(who, subject + "a variable of another tape");
}

template <Scalar T>
void Tape<T>::require_no_pass(const char* who) const {
  if (walking_) throw StateError(who, "a backward pass must not start another on its tape");
  if (read_) {
    throw StateError(who, "a part that is recomputed must not start a backward pass on its tape");
  }
}

template <Scalar T>
Tensor<T> Tape<T>::checked_seed(const char* who, const Variable<T>& target,
                                const Tensor<T>& seed) const {
  if (!seed.defined()) {
    if (target.size() != 1) {
      throw ShapeError(who, "a target with more than one element needs a seed; got shape " +
                                target.shape().to_string());
    }
    return Tensor<T>(target.shape(), T{1});
  }
  if (!(seed.shape() == target.shape())) {
    throw ShapeError(who, "the seed must have the target's shape; got " + seed.shape().to_string() +
                              ", expected " + target.shape().to_string());
  }
  return seed;
}

template <Scalar T>
void Tape<T>::require_shapes_of_leaves(std::uint32_t target) const {
  for (const auto& [index, leaf] : leaves_) {
    const Shape& expected = nodes_[index].shape;
    if (!leaf->gradient.defined() || leaf->gradient.shape() == expected) continue;
    if (!depends(target, index)) continue;  // a call that failed may have left its leaves
    throw ShapeError("backward", "the gradient of a leaf must have the shape of its value; got " +
                                     leaf->gradient.shape().to_string() + ", expected " +
                                     expected.to_string());
  }
}

template <Scalar T>
bool Tape<T>::depends(std::uint32_t target, std::uint32_t source) const {
  std::vector<bool> met(target + 1);
  met[target] = true;
  for (std::uint32_t i = target + 1; i-- > source;) {
    if (!met[i]) continue;
    const Node& node = nodes_[i];
    for (std::uint32_t k = 0; k < node.input_count; ++k) {
      if (node.inputs[k] != detail::kConstant) met[node.inputs[k]] = true;
    }
  }
  return source <= target && met[source];
}

template <Scalar T>
void Tape<T>::mark_dependents(std::span<const Variable<T>> sources, std::uint32_t last) {
  needed_.assign(last + 1, 0);
  for (const Variable<T>& source : sources) {
    if (source.anchor_.index <= last) needed_[source.anchor_.index] = detail::kSource;
  }
  mark_dependents(0, last + 1);
}

template <Scalar T>
void Tape<T>::mark_dependents(std::uint32_t first, std::uint32_t end) {
  for (std::uint32_t i = first; i < end; ++i) {
    const Node& node = nodes_[i];
    for (std::uint32_t k = 0; k < node.input_count; ++k) {
      if (node.inputs[k] == detail::kConstant || !needed_[node.inputs[k]]) continue;
      needed_[i] |= detail::kDepends;
      break;
    }
  }
}

template <Scalar T>
void Tape<T>::walk(const Variable<T>& target, Tensor<T> seed, bool pruned, bool create_graph,
                   bool keep) {
  // Whatever happens inside, the tape records again afterwards; a pass that failed half-way leaves
  // a record that cannot be used a second time.
  struct Restore {
    Tape& tape;
    bool finished = false;
    ~Restore() {
      tape.recording_ = true;
      tape.walking_ = false;
      if (!finished) {
        tape.gradients_.clear();
        tape.consumed_ = true;
      }
    }
  } restore{*this};
  walking_ = true;
  recording_ = create_graph;
  create_graph_ = create_graph;
  pruned_ = pruned;
  gradients_.clear();
  gradients_.resize(nodes_.size());
  gradients_[target.anchor_.index] = Variable<T>(std::move(seed));
  for (std::uint32_t i = target.anchor_.index + 1; i-- > 0;) run_node(i, create_graph, keep);
  if (!keep) {
    for (Node& node : nodes_) release(node);
    consumed_ = true;
  }
  restore.finished = true;
}

template <Scalar T>
void Tape<T>::run_node(std::uint32_t index, bool create_graph, bool keep) {
  if (!nodes_[index].run || !gradients_[index].defined()) return;
  if (pruned_ && !(needed_[index] & detail::kDepends)) return;
  {
    // Moved where nobody asks for it afterwards, so that the ops below may be its only owners.
    const bool asked = pruned_ && (needed_[index] & detail::kSource);
    Backward<T> backward(*this, nodes_[index],
                         asked ? Variable<T>(gradients_[index]) : std::move(gradients_[index]));
    nodes_[index].run(nodes_[index].closure, backward);
  }
  if (!keep && !create_graph) release(nodes_[index]);
}

template <Scalar T>
void Tape<T>::accumulate(std::uint32_t index, Variable<T>&& gradient) {
  Variable<T>& sum = gradients_[index];
  if (!sum.defined()) {
    sum = std::move(gradient);
  } else if (create_graph_) {
    sum = add(sum, gradient);
  } else {
    add_in_place(sum.value_, gradient.value());
  }
}

template <Scalar T>
std::vector<Variable<T>> Tape<T>::gradients(const Variable<T>& target,
                                            std::span<const Variable<T>> sources,
                                            const GradientOptions<T>& options) {
  require_no_pass("gradients");
  require_current("gradients", target, "target");
  for (const Variable<T>& source : sources) require_current("gradients", source, "source");
  if (consumed_) {
    throw StateError("gradients",
                     "the record must not be consumed; pass .keep = true to the pass "
                     "before this one");
  }
  Tensor<T> seed = checked_seed("gradients", target, options.seed);
  mark_dependents(sources, target.anchor_.index);
  walk(target, std::move(seed), true, options.create_graph, options.keep || options.create_graph);

  std::vector<Variable<T>> results;
  results.reserve(sources.size());
  for (const Variable<T>& source : sources) {
    const Variable<T>& gradient = gradients_[source.anchor_.index];
    results.push_back(gradient.defined() ? gradient
                                         : Variable<T>(Tensor<T>::zeros(source.shape())));
  }
  gradients_.clear();
  return results;
}

template <Scalar T>
void Tape<T>::backward(const Variable<T>& loss, const GradientOptions<T>& options) {
  require_no_pass("backward");
  require_current("backward", loss, "loss");
  if (consumed_) {
    throw StateError("backward",
                     "the record must not be consumed; call backward once per forward "
                     "pass, or pass .keep = true to the first");
  }
  Tensor<T> seed = checked_seed("backward", loss, options.seed);
  require_shapes_of_leaves(loss.anchor_.index);
  walk(loss, std::move(seed), false, options.create_graph, options.keep || options.create_graph);
  add_to_leaves();
  gradients_.clear();
}

template <Scalar T>
void Tape<T>::add_to_leaves() {
  for (auto& [index, leaf] : leaves_) {
    if (index >= gradients_.size() || !gradients_[index].defined()) continue;
    Tensor<T> gradient = std::move(gradients_[index].value_);
    if (leaf->gradient.defined()) {
      add_in_place(leaf->gradient, gradient);
    } else {
      leaf->gradient = std::move(gradient);
    }
  }
}

template <Scalar T>
bool Backward<T>::wants(int i) const noexcept {
  const std::uint32_t input = inputs_[i];
  return input != detail::kConstant && (!tape_.pruned_ || tape_.needed_[input]);
}

template <Scalar T>
void Backward<T>::add(int i, Variable<T> gradient) {
  if (!wants(i)) return;
  const Shape& expected = tape_.nodes_[inputs_[i]].shape;
  if (!(gradient.shape() == expected)) {
    throw ShapeError(op_, "the gradient of input " + std::to_string(i) +
                              " must have the input's shape; got " + gradient.shape().to_string() +
                              ", expected " + expected.to_string());
  }
  tape_.accumulate(inputs_[i], std::move(gradient));
}

template <Scalar T>
bool Backward<T>::with_graph() const noexcept {
  return tape_.create_graph_;
}

template class Tape<float>;
template class Tape<double>;
template class Backward<float>;
template class Backward<double>;

}  // namespace lamina
