#include <algorithm>
#include <lamina/nn/tied.hpp>

namespace lamina::detail {

void TreeCopy::enter(std::vector<const void*> handles) {
  const auto is_waiting = [&](const void* handle) {
    return std::find(waiting_.begin(), waiting_.end(), handle) != waiting_.end();
  };
  if (std::all_of(handles.begin(), handles.end(), is_waiting)) return;
  waiting_ = std::move(handles);
  copies_.clear();
}

bool TreeCopy::take(const void* handle) {
  const auto found = std::find(waiting_.begin(), waiting_.end(), handle);
  if (found == waiting_.end()) return false;
  waiting_.erase(found);
  return true;
}

std::shared_ptr<void> TreeCopy::copy_of(const void* state) const {
  for (const auto& [source, copy] : copies_) {
    if (source == state) return copy.lock();
  }
  return nullptr;
}

void TreeCopy::made(const void* state, const std::shared_ptr<void>& copy) {
  copies_.emplace_back(state, copy);
}

TreeCopy& tree_copy() {
  static thread_local TreeCopy copy;
  return copy;
}

}  // namespace lamina::detail
