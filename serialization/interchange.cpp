#include <lamina/autograd/tensor/error.hpp>
#include <lamina/serialization/detail/difference.hpp>
#include <lamina/serialization/detail/interchange_plan.hpp>
#include <lamina/serialization/interchange.hpp>

namespace lamina {

namespace {

using detail::InterchangeEntry;
using detail::InterchangeOptions;

// Of Keras: its Flatten meets what lamina's meets.
const std::map<std::string, std::int64_t> kNothingFlattened;

InterchangeOptions unified(const PyTorchOptions& options) {
  return {.framework = detail::Framework::pytorch,
          .rename = options.rename,
          .flattened_channels = options.flattened_channels,
          .epsilon = options.epsilon,
          .prefix = options.prefix};
}
InterchangeOptions unified(const KerasOptions& options) {
  return {.framework = detail::Framework::keras,
          .rename = options.rename,
          .flattened_channels = kNothingFlattened,
          .epsilon = options.epsilon,
          .prefix = options.prefix};
}

// The rows of a kernel come in whole groups of the channels that Flatten met.
void require_channels(const InterchangeEntry& entry, const StateValue& kernel, int axis,
                      const std::string& who) {
  std::visit(
      [&](const auto& held) {
        if constexpr (requires { held.dtype(); }) {
          if (held.rank() != 2) return;
          const std::int64_t features = held.shape()[axis];
          if (entry.channels >= 1 && features % entry.channels == 0) return;
          throw ArgumentError(who, "flattened_channels must divide the features of " + entry.path +
                                       "; got " + std::to_string(entry.channels) + " for " +
                                       std::to_string(features));
        }
      },
      kernel);
}

template <Scalar T>
StateDict exported(const Module<T>& net, const InterchangeOptions& options, const char* who) {
  const StateDict state = state_of(net);
  StateDict result;
  // The module is only read.
  for (const InterchangeEntry& entry : detail::plan_interchange(
           const_cast<Module<T>&>(net), options, {.who = who, .path = "the network"})) {
    if (entry.other.empty()) continue;
    const StateValue& value = *state.find(entry.path);
    if (entry.update_count) {
      result.add(entry.other, Tensor<std::int64_t>::scalar(std::get<std::int64_t>(value)));
      continue;
    }
    if (entry.layout == detail::KernelLayout::dense) require_channels(entry, value, 0, who);
    result.add(entry.other, detail::to_channels_first(value, entry.layout, entry.channels));
  }
  return result;
}

// The count of updates is a scalar tensor in files of PyTorch, an integer in lamina's.
std::int64_t count_of(const StateValue* value, const std::string& name,
                      detail::Differences& differences) {
  if (!value) return 1;
  if (const auto* count = std::get_if<std::int64_t>(value)) return *count;
  const auto* tensor = std::get_if<Tensor<std::int64_t>>(value);
  if (tensor && tensor->size() == 1) return tensor->item();
  differences.other_kind(name, detail::kind_of(*value), "int64 ()");
  return 1;
}

template <Scalar T>
void imported(Module<T>& net, const StateDict& state, const InterchangeOptions& options,
              const char* who) {
  const detail::FileTask task{.who = who, .path = "state"};
  detail::Differences differences;
  StateDict own;
  std::vector<std::string> names;
  for (const InterchangeEntry& entry :
       detail::plan_interchange(net, options, {.who = who, .path = "the network"})) {
    const StateValue* value = entry.other.empty() ? nullptr : state.find(entry.other);
    if (!entry.other.empty()) names.push_back(entry.other);
    if (entry.update_count) {
      own.add(entry.path, count_of(value, entry.other, differences));
    } else if (!value) {
      differences.missing(entry.other, std::string(name_of(dtype_of<T>())));
    } else {
      if (entry.layout == detail::KernelLayout::dense) require_channels(entry, *value, 1, who);
      own.add(entry.path, detail::from_channels_first(*value, entry.layout, entry.channels));
    }
  }
  detail::StateDictSource source(state);
  differences.add_unexpected(source, std::move(names), "");
  differences.require_none(task, "hold the network's values under their names there");
  load_state(net, own);
}

// Keras puts the name of the model before all paths; without it where the network does not have it.
template <Scalar T>
StateDict without_model_name(Module<T>& net, const StateDict& state,
                             const InterchangeOptions& options) {
  if (state.size() == 0 || !options.prefix.empty()) return state;
  const std::string& first = state.begin()->first;
  const std::string root = first.substr(0, first.find('/') + 1);
  if (root.empty()) return state;
  for (const auto& [name, value] : state) {
    if (!name.starts_with(root)) return state;
  }
  for (const InterchangeEntry& entry :
       detail::plan_interchange(net, options, {.who = "load_from_keras", .path = "the network"})) {
    if (entry.other.starts_with(root)) return state;
  }
  StateDict result;
  for (const auto& [name, value] : state) {
    if (name.size() > root.size()) result.add(name.substr(root.size()), value);
  }
  return result;
}

}  // namespace

template <Scalar T>
StateDict to_pytorch(const Module<T>& net, const PyTorchOptions& options) {
  return exported(net, unified(options), "to_pytorch");
}

template <Scalar T>
void load_from_pytorch(Module<T>& net, const StateDict& state, const PyTorchOptions& options) {
  imported(net, state, unified(options), "load_from_pytorch");
}

template <Scalar T>
StateDict to_keras(const Module<T>& net, const KerasOptions& options) {
  return exported(net, unified(options), "to_keras");
}

template <Scalar T>
void load_from_keras(Module<T>& net, const StateDict& state, const KerasOptions& options) {
  const InterchangeOptions all = unified(options);
  imported(net, without_model_name(net, state, all), all, "load_from_keras");
}

#define LAMINA_INSTANTIATE(T)                                                           \
  template StateDict to_pytorch(const Module<T>&, const PyTorchOptions&);               \
  template void load_from_pytorch(Module<T>&, const StateDict&, const PyTorchOptions&); \
  template StateDict to_keras(const Module<T>&, const KerasOptions&);                   \
  template void load_from_keras(Module<T>&, const StateDict&, const KerasOptions&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
