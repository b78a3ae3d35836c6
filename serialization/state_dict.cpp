#include <lamina/serialization/detail/manifest.hpp>
#include <lamina/serialization/detail/module_state.hpp>
#include <lamina/serialization/detail/visited_state.hpp>
#include <lamina/serialization/state_dict.hpp>

namespace lamina {

void StateDict::add(std::string name, StateValue value) {
  if (!detail::is_name(name)) {
    throw CheckpointError(
        "state_dict",
        "a name must be 1 to 256 bytes of UTF-8 without control characters; got '" + name + "'");
  }
  if (contains(name)) {
    throw CheckpointError("state_dict", "names must differ; got '" + name + "' twice");
  }
  values_.emplace(std::move(name), std::move(value));
}

const StateValue* StateDict::find(std::string_view name) const noexcept {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

namespace {

struct SameBits {
  template <class A, class B>
  bool operator()(const A&, const B&) const {
    return false;
  }
  template <Element E>
  bool operator()(const Tensor<E>& a, const Tensor<E>& b) const {
    return identical(a, b);
  }
  bool operator()(double a, double b) const {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  }
  bool operator()(std::int64_t a, std::int64_t b) const { return a == b; }
  bool operator()(const std::string& a, const std::string& b) const { return a == b; }
};

}  // namespace

bool identical(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return false;
  for (auto i = a.begin(), j = b.begin(); i != a.end(); ++i, ++j) {
    if (i->first != j->first || !std::visit(SameBits{}, i->second, j->second)) return false;
  }
  return true;
}

template <Scalar T>
StateDict state_of(const Module<T>& net) {
  StateDict state;
  detail::ModuleState<T>(const_cast<Module<T>&>(net)).add_to(state, "");  // only reads
  return state;
}

template <Scalar T>
void load_state(Module<T>& net, const StateDict& state) {
  detail::ModuleState<T> target(net);
  detail::Differences differences;
  detail::StateDictSource source(state);
  target.compare(source, differences);
  differences.require_none({.who = "load_state", .path = "state"}, "fit the network");
  net.name_tree();
  target.swap();
}

namespace {

template <Scalar T, class Visited>
detail::VisitedState<T> visited(Visited& object, const char* kind) {
  return {kind, [&object](StateVisitor<T>& visitor) { object.visit(visitor); }};
}

template <Scalar T>
void load_visited(detail::VisitedState<T> target, const StateDict& state, const char* fits) {
  detail::Differences differences;
  detail::StateDictSource source(state);
  target.compare(source, differences);
  differences.require_none({.who = "load_state", .path = "state"}, fits);
  target.write();
}

}  // namespace

template <Scalar T>
StateDict state_of(Optimizer<T>& optimizer) {
  StateDict state;
  visited<T>(optimizer, "optimizer").add_to(state, "");
  return state;
}

template <Scalar T>
StateDict state_of(TrainingState<T>& run) {
  StateDict state;
  visited<T>(run, "training state").add_to(state, "");
  return state;
}

template <Scalar T>
void load_state(Optimizer<T>& optimizer, const StateDict& state) {
  load_visited(visited<T>(optimizer, "optimizer"), state, "fit the optimizer");
}

template <Scalar T>
void load_state(TrainingState<T>& run, const StateDict& state) {
  load_visited(visited<T>(run, "training state"), state, "fit the training state");
}

#define LAMINA_INSTANTIATE(T)                                \
  template StateDict state_of(const Module<T>&);             \
  template StateDict state_of(Optimizer<T>&);                \
  template StateDict state_of(TrainingState<T>&);            \
  template void load_state(Module<T>&, const StateDict&);    \
  template void load_state(Optimizer<T>&, const StateDict&); \
  template void load_state(TrainingState<T>&, const StateDict&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
