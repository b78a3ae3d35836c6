// TrainingStep: one batch through the network and one step of the optimizer.
//
//   forward -> loss + penalties of the regularizers -> metrics -> backward -> optimizer -> moving
//   statistics
//
// Moving statistics are collected and written last, so that a step that fails (a label out of
// range, a loss that is not finite) changes nothing: no parameter, buffer, slot or random number.
// Only the network's first values may have been drawn. Errors: NumericError for a loss that is not
// finite, naming step and first offending module; ShapeError for a loss that is no scalar; what
// network, loss and optimizer throw. Thread-safety: one thread.
#pragma once

#include <functional>
#include <lamina/autograd/tensor/random.hpp>
#include <lamina/data/dataset.hpp>
#include <lamina/nn/module.hpp>
#include <lamina/nn/optimizer.hpp>
#include <lamina/training/loss_function.hpp>
#include <string>

namespace lamina::detail {

template <Scalar T>
class TrainingStep {
 public:
  // `warn`: may be null.
  TrainingStep(Module<T>& net, const LossFunction<T>& loss, Optimizer<T>& optimizer,
               Warnings* warn);

  using Measure = std::function<void(const Tensor<T>& prediction)>;

  // Returns the loss with penalties, before the update. `where` says which step it is, for the
  // error: "step 12 (epoch 1, batch 12)"; `measure` may refuse the prediction.
  template <class Where>
  double operator()(const Batch<T>& batch, Rng& rng, const Where& where, const Measure& measure) {
    try {
      return run(batch, rng, measure);
    } catch (const NotFinite& found) {
      fail(batch, found, rng, where());
    }
  }

 private:
  struct NotFinite {
    double loss;
    std::int64_t random_step;
  };

  double run(const Batch<T>& batch, Rng& rng, const Measure& measure);
  [[noreturn]] void fail(const Batch<T>& batch, const NotFinite& found, Rng& rng,
                         const std::string& where);

  Module<T>& net_;
  const LossFunction<T>& loss_;
  Optimizer<T>& optimizer_;
  Warnings* warn_;
  ParameterList<T> regularized_;
  Tape<T> tape_;
  CollectedUpdates<T> updates_;
};

// The sum of the penalties of these parameters.
template <Scalar T>
Variable<T> penalties(const ParameterList<T>& regularized, const Context<T>& ctx);
template <Scalar T>
ParameterList<T> regularized_parameters(Module<T>& net);

extern template class TrainingStep<float>;
extern template class TrainingStep<double>;

}  // namespace lamina::detail
