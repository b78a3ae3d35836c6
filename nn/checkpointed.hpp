// checkpointed: a block that keeps no activations for the backward pass, only its input, and is
// computed again when the backward pass comes to it: less memory, for one more forward pass of it.
//
//   Sequential<float> net;
//   for (int i = 0; i < 3; ++i) {
//     Sequential<float> block;
//     block.add<Dense>({.units = 64, .use_bias = false}).add<BatchNormalization>({}).add<ReLU>();
//     net.add(checkpointed(std::move(block)));
//   }
//   net.add<Dense>({.units = 10});
//
// What comes out is a module of a class derived from the block's: a Checkpointed<Sequential<float>>
// is a Sequential<float> with the same children, type, options and name, so that paths, initial
// values, dropout masks and checkpoints are those of the block without it, and a network may be
// saved with and loaded without. Model files say which blocks were checkpointed, in an option
// "checkpointed".
//
// Outputs, gradients, moving statistics and counters have the bits of the plain block: the
// repetition draws the same random numbers, sees parameters and buffers as the call saw them,
// whatever became of them, and its state changes are discarded. Derivatives of higher order are
// equal to rounding. A warning or an observer hears of the call once. Where nothing of the block is
// differentiated (no tape, or all is constant) it is just called. Fusion of layers ends at the
// border of the block.
//
// Between a call and its backward pass the block may be moved, named, trained, frozen, assigned to
// or loaded, but it must live, and keep its structure and options. It must compute the same each
// time: random numbers come from the context. What it hands on to others beside its result is a
// StateError where it is used, unless it was detached. Methods other than forward() are those of
// the block.
//
// Errors: as the block; StateError in the backward pass when the block is gone or computes
// something else, besides what autograd/recompute.hpp names. Thread-safety: as Module; a backward
// pass counts as a call, one on a module that is not const where its state has changed since.
#pragma once

#include <concepts>
#include <lamina/nn/module.hpp>
#include <memory>
#include <typeinfo>
#include <utility>

namespace lamina {

namespace detail {

// What Checkpointed adds to a block.
template <Scalar T>
class RecomputedBlock {
 public:
  virtual ~RecomputedBlock() {
    if (place_) *place_ = nullptr;
  }

 protected:
  RecomputedBlock() : place_(std::make_shared<const RecomputedBlock*>(this)) {}
  // What was recorded stays with the block that was called, and follows it when it moves.
  RecomputedBlock(const RecomputedBlock&) : RecomputedBlock() {}
  RecomputedBlock(RecomputedBlock&& other) noexcept : place_(std::move(other.place_)) {
    if (place_) *place_ = this;
  }
  RecomputedBlock& operator=(const RecomputedBlock&) { return placed(); }
  RecomputedBlock& operator=(RecomputedBlock&&) { return placed(); }

  Variable<T> call_recomputed(const Variable<T>& x, const Context<T>& ctx) const;

  virtual const Module<T>& as_module() const = 0;
  // The block's forward: within the call that is going on, and as a call of its own.
  virtual Variable<T> forward_once(const Variable<T>& x, const Context<T>& ctx) const = 0;
  virtual Variable<T> forward_again(const Variable<T>& x, const Context<T>& ctx) const = 0;

 private:
  RecomputedBlock& placed() {
    if (!place_) place_ = std::make_shared<const RecomputedBlock*>(this);
    return *this;
  }

  std::shared_ptr<const RecomputedBlock*> place_;  // null where it was moved from
};

extern template class RecomputedBlock<float>;
extern template class RecomputedBlock<double>;

}  // namespace detail

// The option of a module that tells files about it.
inline constexpr const char* kCheckpointedOption = "checkpointed";

template <class Block>
class Checkpointed : public Block, public detail::RecomputedBlock<typename Block::value_type> {
 public:
  using T = typename Block::value_type;

  Checkpointed()
    requires std::default_initializable<Block>
  = default;
  explicit Checkpointed(Block block) : Block(std::move(block)) {}

  Variable<T> forward(const Variable<T>& x, const Context<T>& ctx) const override {
    return this->call_recomputed(x, ctx);
  }
  std::size_t absorbs(const Shape&, Followers<T>) const override { return 0; }
  void visit_options(OptionVisitor& visitor) override {
    Block::visit_options(visitor);
    bool checkpointed = true;
    visitor(kCheckpointedOption, checkpointed);
  }

 protected:
  const std::type_info& class_info() const override { return typeid(Block); }

 private:
  const Module<T>& as_module() const override { return *this; }
  Variable<T> forward_once(const Variable<T>& x, const Context<T>& ctx) const override {
    return Block::forward(x, ctx);
  }
  Variable<T> forward_again(const Variable<T>& x, const Context<T>& ctx) const override {
    return static_cast<const Checkpointed*>(this)->Module<T>::call(
        x, ctx, [&](const Context<T>& inner) { return Block::forward(x, inner); });
  }
};

// Any module, by value.
template <class Block>
  requires std::derived_from<Block, Module<typename Block::value_type>>
Checkpointed<Block> checkpointed(Block block) {
  return Checkpointed<Block>(std::move(block));
}
template <class Block>
Checkpointed<Block> checkpointed(Checkpointed<Block> block) {
  return block;
}

template <Scalar T>
bool is_checkpointed(const Module<T>& module) {
  return dynamic_cast<const detail::RecomputedBlock<T>*>(&module) != nullptr;
}

}  // namespace lamina
