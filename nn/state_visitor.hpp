// StateVisitor: walks the state of an optimizer, a schedule, a trainer: what a checkpoint must hold
// beside the model.
//
//   void visit(StateVisitor<float>& v) {
//     v("epoch", epoch_);
//     std::string best = best_text();  v("best", best);  set_best(best);
//   }
//
// Saving reads the values, loading writes them; visit() does not know which. Hence its contract:
//   - the same names and kinds in the same order, whatever the visitor, while nothing else changes;
//   - after a call of the visitor its argument may hold another value, which is the one to go on
//   with
//     (a local copy must be written back, with the checks of a user's call);
//   - a tensor may come back with another shape only where it was undefined before; a vector may
//   come
//     back with another length.
// Loading visits several times: first to compare, then to write, and, where a write-back threw, to
// put the former values back.
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/tensor.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

template <Scalar T>
class StateVisitor {
 public:
  virtual ~StateVisitor() = default;
  virtual void operator()(std::string_view name, Tensor<T>& value) = 0;
  virtual void operator()(std::string_view name, std::int64_t& value) = 0;
  virtual void operator()(std::string_view name, double& value) = 0;
  virtual void operator()(std::string_view name, std::string& value) = 0;
  virtual void operator()(std::string_view name, std::vector<double>& value) = 0;  // a history
};

}  // namespace lamina
