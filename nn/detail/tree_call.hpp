// TreeCall: one outermost call of a tree of modules is all or nothing. State changes wait until the
// call has succeeded; when it fails, they are forgotten and what was built is taken back, so that a
// batch of the wrong shape leaves no trace, whichever layer refuses it.
// Thread-safety: one per call; calls on many threads have each their own.
#pragma once

#include <lamina/nn/parameter.hpp>
#include <memory>
#include <vector>

namespace lamina::detail {

template <Scalar T>
class TreeCall {
 public:
  // `ctx`: as the caller gave it. The context of the tree is another one.
  TreeCall(const Context<T>& ctx, const Module<T>& root, bool writable);
  ~TreeCall();
  TreeCall(const TreeCall&) = delete;
  TreeCall& operator=(const TreeCall&) = delete;

  const Context<T>& context() const noexcept { return ctx_; }

  // Called by builders.
  void made(std::shared_ptr<ParameterData<T>> parameter) {
    parameters_.push_back(std::move(parameter));
  }
  void made(std::shared_ptr<BufferData<T>> buffer) { buffers_.push_back(std::move(buffer)); }

  void finish();
  // True: something had been built.
  bool undo() noexcept;

 private:
  Context<T> ctx_;
  std::unique_ptr<CollectedUpdates<T>> updates_;  // null: the caller does not want them applied
  std::int64_t collected_before_ = 0;             // changes in the caller's own list
  std::vector<std::shared_ptr<ParameterData<T>>> parameters_;
  std::vector<std::shared_ptr<BufferData<T>>> buffers_;
};

extern template class TreeCall<float>;
extern template class TreeCall<double>;

}  // namespace lamina::detail
