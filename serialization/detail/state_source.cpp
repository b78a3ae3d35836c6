#include <lamina/serialization/detail/difference.hpp>
#include <lamina/serialization/detail/state_source.hpp>

namespace lamina::detail {

std::optional<StateValue> StateDictSource::find(std::string_view name) {
  const StateValue* value = state_.find(name);
  return value ? std::optional(*value) : std::nullopt;
}

void StateDictSource::list(const Listener& function) {
  for (const auto& [name, value] : state_) function(name, kind_of(value));
}

std::optional<StateValue> ContainerSource::find(std::string_view name) {
  const std::string full = prefix_ + std::string(name);
  if (const auto tensor = reader_.manifest().tensor(full)) {
    return reading([&] { return reader_.read_with_padding(*tensor); });
  }
  if (const auto value = reader_.manifest().value(full)) return value_of(*value);
  return {};
}

void ContainerSource::list(const Listener& function) {
  reader_.manifest().for_each([&](const auto& entry) {
    if (!entry.name.starts_with(prefix_)) return;
    function(entry.name.substr(prefix_.size()), kind_of(entry));
  });
}

}  // namespace lamina::detail
