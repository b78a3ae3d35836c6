// StateSource: values by name, wherever they lie, for a network, an optimizer or a training state
// to be compared with.
//
// Values of a file are read when they are asked for, so that those nobody asks for take no memory,
// however many a file lists. Errors: what reading throws. Thread-safety: one thread per object.
#pragma once

#include <functional>
#include <lamina/serialization/detail/container.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lamina::detail {

class StateSource {
 public:
  virtual ~StateSource() = default;

  // Nothing: there is none of this name.
  virtual std::optional<StateValue> find(std::string_view name) = 0;

  // Calls function(name, kind) for every value, kind being what kind_of() says of it.
  using Listener = std::function<void(std::string_view name, const std::string& kind)>;
  virtual void list(const Listener& function) = 0;
};

class StateDictSource : public StateSource {
 public:
  explicit StateDictSource(const StateDict& state) : state_(state) {}
  std::optional<StateValue> find(std::string_view name) override;
  void list(const Listener& function) override;

 private:
  const StateDict& state_;
};

// What stands in a file under names that begin with the prefix, without it. That a file cannot be
// read, or is damaged, is an UnreadableFile.
class ContainerSource : public StateSource {
 public:
  ContainerSource(ContainerReader& reader, std::string_view prefix)
      : reader_(reader), prefix_(prefix) {}
  std::optional<StateValue> find(std::string_view name) override;
  void list(const Listener& function) override;

 private:
  ContainerReader& reader_;
  std::string prefix_;
};

}  // namespace lamina::detail
