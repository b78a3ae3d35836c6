// Context: everything a call of a module depends on besides its input. There is no hidden mode: the
// tape, the training flag, random numbers, the step, what happens to state changes, and where
// warnings go, all arrive here.
//
//   auto ctx = Context<float>::for_training(tape, rng);  // records, draws, updates moving statistics
//   auto ctx = Context<float>::for_inference();          // none of these
//
// A context is a cheap value; the things it points to belong to the caller and must outlive the
// call.
#pragma once

#include <cstdint>
#include <functional>
#include <lamina/autograd/tape.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

class Rng;
class StatisticsReduction;

template <Scalar T>
class Module;
template <Scalar T>
class Buffer;
template <Scalar T>
struct BufferData;
class Counter;
struct CounterData;
namespace detail {
template <Scalar T>
class TreeCall;
}

// What becomes of the state changes (moving statistics) that a forward pass emits.
enum class StateUpdates {
  apply,    // written when the outermost module call has succeeded
  discard,  // forgotten: recomputation, probing
  collect   // gathered in Context::collected, for the caller to apply
};

// Hears of things that are allowed but rarely meant.
class Warnings {
 public:
  virtual ~Warnings() = default;
  virtual void warn(std::string_view path, std::string_view message) = 0;
};

// Hears of every module call in a tree after it returned: shapes for summary(), the search for the
// first module that produced NaN.
template <Scalar T>
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void called(const Module<T>& module, const Variable<T>& input,
                      const Variable<T>& output) = 0;
};

// How far a moving average goes toward a new value.
class Rate {
 public:
  Rate(double fraction) : fraction_(fraction) {}  // NOLINT: implicit by intent
  // 1 / (n + 1), n what the counter shows when the change is applied: the exact average.
  static Rate average_over(const Counter& updates);

  double value() const noexcept;

 private:
  double fraction_;
  std::shared_ptr<const CounterData> updates_ = {};
};

// State changes under StateUpdates::collect, in the order in which they were emitted.
template <Scalar T>
class CollectedUpdates {
 public:
  using Change = std::function<Tensor<T>(const Tensor<T>& current)>;

  void add(std::shared_ptr<BufferData<T>> buffer, Change change);
  // buffer += rate * (value - buffer); allocates nothing once the list has its size.
  void add(std::shared_ptr<BufferData<T>> buffer, Tensor<T> value, Rate rate);
  void add(std::shared_ptr<CounterData> counter);  // one more
  std::int64_t size() const noexcept { return static_cast<std::int64_t>(updates_.size()); }
  void apply();  // writes all or, when one fails, none; then forgets them
  void clear() noexcept { updates_.clear(); }
  // Keeps the first `size` changes.
  void shrink(std::int64_t size) noexcept {
    updates_.erase(updates_.begin() + size, updates_.end());
  }
  std::vector<std::string> paths() const;  // of the buffers, in order; counters have none

 private:
  struct Update {
    std::shared_ptr<BufferData<T>> buffer;
    Change change;  // none: toward `value` by `rate`
    Tensor<T> value;
    Rate rate = 1;
    std::shared_ptr<CounterData> counter = {};  // not null: this goes up by one, and nothing else

    void apply();  // keeps in `value` what was there
    void undo();
  };
  std::vector<Update> updates_;
};

template <Scalar T>
struct Context {
  Tape<T>* tape = nullptr;  // null: nothing is recorded
  bool training = false;
  StateUpdates updates = StateUpdates::apply;
  Rng* rng = nullptr;     // needed to build parameters and to drop out
  std::int64_t step = 0;  // training steps so far: counts random streams and schedules
  Warnings* warn = nullptr;
  CollectedUpdates<T>* collected = nullptr;
  CallObserver<T>* observer = nullptr;
  // Whether a Sequential may compute adjacent layers in one pass; an observer sees each by itself.
  bool fuse = true;
  // Where normalizations find the other shares of a batch that is spread over processes; null:
  // there are none.
  StatisticsReduction* reduction = nullptr;
  // Every convolution of the call, and its gradients, by the direct method, as if it had been made
  // with .exact = true (docs/performance.md).
  bool exact = false;

  // Records on `tape`; takes the next step number from `rng`.
  static Context for_training(Tape<T>& tape, Rng& rng);
  static Context for_inference() { return {.updates = StateUpdates::discard}; }

  // Emits the state change buffer += rate * (value - buffer); the policy decides what becomes of
  // it. With `collect` the buffer is read when the change is applied, so that several changes of
  // one buffer add up. StateError under `apply` in a call on a const module.
  void update(const Buffer<T>& buffer, Tensor<T> value, Rate rate = 1) const;
  // The general form: buffer = change(buffer).
  void update(const Buffer<T>& buffer, typename CollectedUpdates<T>::Change change) const;
  // counter += 1.
  void count(const Counter& counter) const;

  // StateError where update() could do nothing with a change; lets a layer check before it works.
  void require_place_for_updates() const;

  // Set by the outermost module call: the root of the tree, whether it may be changed, and what
  // must be taken back should the call fail. With `apply`, changes wait for the end of that call.
  const Module<T>* root = nullptr;
  bool writable = false;
  detail::TreeCall<T>* tree_call = nullptr;
};

extern template struct Context<float>;
extern template struct Context<double>;
extern template class CollectedUpdates<float>;
extern template class CollectedUpdates<double>;

}  // namespace lamina
