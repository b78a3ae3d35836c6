// ModuleState: the parameters, buffers and counters of a tree of modules by dotted path, each once,
// to be read, compared with a state and exchanged in a way that cannot fail.
//
// The module must outlive the object. Thread-safety: as the module.
#pragma once

#include <lamina/serialization/detail/difference.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <memory>
#include <vector>

namespace lamina::detail {

template <Scalar T>
class ModuleState {
 public:
  explicit ModuleState(Module<T>& net);

  // Adds every value under prefix + path; StateError naming the first one without a value.
  void add_to(StateDict& state, const std::string& prefix) const;

  // Takes the new values from the state. Nothing in the module changes.
  void compare(StateSource& state, Differences& differences);

  // Takes a new value for one member, by its number in members().
  void take(std::size_t member, Tensor<T> value);
  void take(std::size_t member, std::int64_t value);

  // Exchanges the module's values with those that were taken; twice is as before. Only after a
  // compare() without differences.
  void swap() noexcept;

  struct Member {
    std::string path;
    std::shared_ptr<Tensor<T>> tensor;  // of a parameter or buffer; null for a counter
    Counter* counter = nullptr;
    Tensor<T> other;
    std::int64_t other_count = 0;
    bool taken = false;
  };
  const std::vector<Member>& members() const noexcept { return members_; }

 private:
  std::vector<Member> members_;
};

extern template class ModuleState<float>;
extern template class ModuleState<double>;

}  // namespace lamina::detail
