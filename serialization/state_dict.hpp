// StateDict: values by name, the common form between a network, an optimizer, a training state and
// a file: tensors of any element type, integers, numbers, text.
//
//   StateDict state = state_of(net);                     // "conv2d.kernel" -> Tensor<float>, ...
//   for (const auto& [name, value] : state) ...
//   load_state(net, state);                              // strict; the network is untouched on
//   error
//
// Tensors share their storage until somebody writes (copy-on-write): a StateDict is a snapshot that
// costs no copy. Names are unique, 1 to 256 bytes of UTF-8 without control characters.
// Errors: CheckpointError (a bad or repeated name; every difference between network and state at
// once), StateError (state_of a network that was never built). Thread-safety: as a standard
// container.
#pragma once

#include <cstdint>
#include <lamina/nn/module.hpp>
#include <lamina/nn/optimizer.hpp>
#include <lamina/serialization/training_state.hpp>
#include <map>
#include <string>
#include <string_view>
#include <variant>

namespace lamina {

using StateValue = std::variant<Tensor<float>, Tensor<double>, Tensor<std::int64_t>,
                                Tensor<std::uint8_t>, std::int64_t, double, std::string>;

class StateDict {
 public:
  using Map = std::map<std::string, StateValue, std::less<>>;

  void add(std::string name, StateValue value);
  const StateValue* find(std::string_view name) const noexcept;  // null: not there
  bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }

  std::int64_t size() const noexcept { return static_cast<std::int64_t>(values_.size()); }
  Map::const_iterator begin() const noexcept { return values_.begin(); }
  Map::const_iterator end() const noexcept { return values_.end(); }

 private:
  Map values_;  // in ascending order of the bytes of the names
};

// Same names, same kinds, same shapes, same bits.
bool identical(const StateDict& a, const StateDict& b);

// Parameters, buffers and counters by dotted path; a tied one once, under the first of its paths.
template <Scalar T>
StateDict state_of(const Module<T>& net);

// What visit() lists and is defined.
template <Scalar T>
StateDict state_of(Optimizer<T>& optimizer);
template <Scalar T>
StateDict state_of(TrainingState<T>& run);

// Writes every value, or none. A parameter without a value takes its shape from the state; an
// optimizer must be loaded after its network.
template <Scalar T>
void load_state(Module<T>& net, const StateDict& state);
template <Scalar T>
void load_state(Optimizer<T>& optimizer, const StateDict& state);
template <Scalar T>
void load_state(TrainingState<T>& run, const StateDict& state);

#define LAMINA_EXTERN(T)                                            \
  extern template StateDict state_of(const Module<T>&);             \
  extern template StateDict state_of(Optimizer<T>&);                \
  extern template StateDict state_of(TrainingState<T>&);            \
  extern template void load_state(Module<T>&, const StateDict&);    \
  extern template void load_state(Optimizer<T>&, const StateDict&); \
  extern template void load_state(TrainingState<T>&, const StateDict&);
LAMINA_EXTERN(float)
LAMINA_EXTERN(double)
#undef LAMINA_EXTERN

}  // namespace lamina
