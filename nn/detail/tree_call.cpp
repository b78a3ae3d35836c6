#include <lamina/nn/detail/tree_call.hpp>

namespace lamina::detail {

namespace {

// Lists that keep their memory from call to call.
template <Scalar T>
std::vector<std::unique_ptr<CollectedUpdates<T>>>& spare_lists() {
  static thread_local std::vector<std::unique_ptr<CollectedUpdates<T>>> lists;
  return lists;
}

}  // namespace

template <Scalar T>
TreeCall<T>::TreeCall(const Context<T>& ctx, const Module<T>& root, bool writable) : ctx_(ctx) {
  ctx_.root = &root;
  ctx_.writable = writable;
  ctx_.tree_call = this;
  if (ctx.collected) collected_before_ = ctx.collected->size();
  if (!writable || ctx.updates != StateUpdates::apply) return;
  auto& spare = spare_lists<T>();
  if (spare.empty()) {
    updates_ = std::make_unique<CollectedUpdates<T>>();
  } else {
    updates_ = std::move(spare.back());
    spare.pop_back();
  }
  ctx_.updates = StateUpdates::collect;
  ctx_.collected = updates_.get();
}

template <Scalar T>
TreeCall<T>::~TreeCall() {
  if (!updates_) return;
  updates_->clear();
  try {
    spare_lists<T>().push_back(std::move(updates_));
  } catch (const std::bad_alloc&) {
    // Then the list is not kept.
  }
}

template <Scalar T>
void TreeCall<T>::finish() {
  if (updates_) updates_->apply();
}

template <Scalar T>
bool TreeCall<T>::undo() noexcept {
  if (!updates_ && ctx_.collected) ctx_.collected->shrink(collected_before_);
  for (const auto& parameter : parameters_) {
    parameter->value = Tensor<T>();
    parameter->anchor = {};  // a tape may watch the value that is gone
  }
  for (const auto& buffer : buffers_) buffer->value = Tensor<T>();
  return !parameters_.empty() || !buffers_.empty();
}

template class TreeCall<float>;
template class TreeCall<double>;

}  // namespace lamina::detail
