// VisitedState: what an optimizer or a training state lists by visit(), to be read, compared with a
// state, and written.
//
// Writing goes through visit() again, whose write-backs may refuse a value; then the former values
// are written back, and the error goes on. The contract of visit() is StateVisitor's.
// Thread-safety: as the object that is visited.
#pragma once

#include <functional>
#include <lamina/nn/state_visitor.hpp>
#include <lamina/serialization/detail/difference.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <string>
#include <vector>

namespace lamina::detail {

template <Scalar T>
class VisitedState {
 public:
  using Visit = std::function<void(StateVisitor<T>&)>;

  // `kind` stands before names in messages: "optimizer".
  VisitedState(std::string kind, Visit visit) : kind_(std::move(kind)), visit_(std::move(visit)) {}

  // Adds every value that is defined under prefix + name.
  void add_to(StateDict& state, const std::string& prefix);

  // Takes the new values from the state. What the object lists as undefined may be missing in it.
  void compare(StateSource& state, Differences& differences);

  // Writes what compare() took, or throws with the former values in place. Only after a compare()
  // without differences.
  void write();
  // Writes what was there at compare().
  void restore();

 private:
  std::string kind_;
  Visit visit_;
  std::vector<StateValue> before_, after_;  // in the order of visit()
};

extern template class VisitedState<float>;
extern template class VisitedState<double>;

}  // namespace lamina::detail
