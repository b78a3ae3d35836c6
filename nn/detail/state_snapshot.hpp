// StateSnapshot: the parameters, buffers and counters of a tree of modules as they were at one
// moment, and a scope in which the tree has them again.
//
//   StateSnapshot<float> before(net);
//   ...                                               // updates, steps, loads
//   {
//     const StateSnapshot<float>::InForce scope(before, net);
//     ...                                             // the state of `before`
//   }                                                 // the state of now
//
// Of a parameter that is the value, the trainable flag and its place on a tape, and of a module its
// path, which random numbers depend on. Tensors are shared until they change. Modules are not held:
// the tree may move, and the scope is given where it is now, with the structure that it had. What
// has not changed is only read, so that const calls on other threads may go on. Thread-safety: one
// scope at a time; otherwise as the module.
#pragma once

#include <lamina/nn/module.hpp>
#include <memory>
#include <string>
#include <vector>

namespace lamina::detail {

template <Scalar T>
class StateSnapshot {
 public:
  explicit StateSnapshot(const Module<T>& tree);

  class InForce {
   public:
    InForce(StateSnapshot& snapshot, const Module<T>& tree);
    ~InForce();
    InForce(const InForce&) = delete;
    InForce& operator=(const InForce&) = delete;

   private:
    void exchange() noexcept;

    StateSnapshot& snapshot_;
    std::vector<std::string*> renamed_;  // what the modules of now have, beside snapshot_.paths_
  };

 private:
  struct ParameterState {
    std::shared_ptr<ParameterData<T>> of;
    Tensor<T> value;
    Anchor anchor;
    bool trainable;
  };
  struct BufferState {
    std::shared_ptr<BufferData<T>> of;
    Tensor<T> value;
  };
  struct CounterState {
    std::shared_ptr<CounterData> of;
    std::int64_t value;
  };
  class Collector;
  class PathFinder;

  // What the snapshot holds against what the tree has.
  void exchange() noexcept;

  std::vector<ParameterState> parameters_;  // each once, as the others
  std::vector<BufferState> buffers_;
  std::vector<CounterState> counters_;
  std::vector<std::string> paths_;  // of the modules, in the order of visit()
};

extern template class StateSnapshot<float>;
extern template class StateSnapshot<double>;

}  // namespace lamina::detail
