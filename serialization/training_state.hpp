// TrainingState: what a training run must remember beside the model and the optimizer to go on
// exactly where it was: the random streams' seed and step, the epoch, the batches consumed in it,
// running sums, the shuffle, callbacks (best value, patience), history.
//
//   struct Progress : TrainingState<float> {
//     std::int64_t epoch = 0;  Rng& rng;
//     void visit(StateVisitor<float>& v) override {
//       v("epoch", epoch);
//       std::int64_t step = rng.step();  v("rng_step", step);  rng.set_step(step);
//     }
//   };
//
// The contract of visit() is StateVisitor's. Nothing that differs between two equal runs (time,
// host, process, thread count) may be visited: equal runs write equal files.
#pragma once

#include <lamina/nn/state_visitor.hpp>

namespace lamina {

template <Scalar T>
class TrainingState {
 public:
  virtual ~TrainingState() = default;
  virtual void visit(StateVisitor<T>& visitor) = 0;
};

}  // namespace lamina
