#include <lamina/autograd/recompute.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/nn/checkpointed.hpp>
#include <lamina/nn/detail/state_snapshot.hpp>
#include <optional>

namespace lamina::detail {

namespace {

// What a call depended on, besides its input.
template <Scalar T>
class Circumstances {
 public:
  // To be made before the call: it may advance the random numbers.
  explicit Circumstances(const Context<T>& ctx) : ctx_(ctx) {
    if (ctx.rng) rng_ = *ctx.rng;
    ctx_.fuse = ctx.fuse && !ctx.observer;  // which sees each layer by itself
    ctx_.observer = nullptr;
    ctx_.warn = nullptr;
    ctx_.updates = StateUpdates::discard;
    ctx_.collected = nullptr;
    ctx_.root = nullptr;
    ctx_.writable = false;
    ctx_.tree_call = nullptr;
  }
  // After the call, which has built what there was to build; its state changes are still to come.
  void take_state(const Module<T>& block) { state_.emplace(block); }

  template <class Function>
  Variable<T> restored(const Module<T>& block, const Function& function) {
    const typename StateSnapshot<T>::InForce scope(*state_, block);
    std::optional<Rng> rng = rng_;
    Context<T> ctx = ctx_;
    ctx.rng = rng ? &*rng : nullptr;
    return function(ctx);
  }

 private:
  Context<T> ctx_;
  std::optional<Rng> rng_;
  std::optional<StateSnapshot<T>> state_;
};

// Where what the block computes would be recorded; null: nowhere.
template <Scalar T>
Tape<T>* tape_of(const Variable<T>& x, const Context<T>& ctx) {
  const Variable<T>* const inputs[] = {&x};
  return x.tracked() ? Tape<T>::of("checkpointed", inputs) : ctx.tape;
}

}  // namespace

template <Scalar T>
Variable<T> RecomputedBlock<T>::call_recomputed(const Variable<T>& x, const Context<T>& ctx) const {
  Tape<T>* tape = tape_of(x, ctx);
  if (!tape || !place_) return forward_once(x, ctx);
  const auto circumstances = std::make_shared<Circumstances<T>>(ctx);
  const auto once = [&](const Variable<T>& input) { return forward_once(input, ctx); };
  return recomputed<T>(*tape, x, once, [&]() -> Computation<T> {
    circumstances->take_state(as_module());
    return [circumstances, place = place_](const Variable<T>& input) {
      if (!*place) {
        throw StateError("checkpointed",
                         "a block must live until the backward pass has gone through it; got one "
                         "that was destroyed");
      }
      return circumstances->restored((*place)->as_module(), [&](const Context<T>& then) {
        return (*place)->forward_again(input, then);
      });
    };
  });
}

template class RecomputedBlock<float>;
template class RecomputedBlock<double>;

}  // namespace lamina::detail
