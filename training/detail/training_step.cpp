#include <fmt/format.h>

#include <cmath>
#include <lamina/autograd/ops/arithmetic.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/training/detail/non_finite.hpp>
#include <lamina/training/detail/training_step.hpp>

namespace lamina::detail {

namespace {

// Leaves the tape empty however the step ends.
template <Scalar T>
struct TapeClearer {
  Tape<T>& tape;
  ~TapeClearer() { tape.clear(); }
};

}  // namespace

template <Scalar T>
ParameterList<T> regularized_parameters(Module<T>& net) {
  ParameterList<T> list = net.parameters();
  std::erase_if(list, [](const auto& parameter) { return !parameter->regularizer; });
  return list;
}

template <Scalar T>
Variable<T> penalties(const ParameterList<T>& regularized, const Context<T>& ctx) {
  Variable<T> sum(Tensor<T>::scalar(T{0}));
  for (const auto& parameter : regularized) {
    if (!parameter->value.defined()) continue;
    const Variable<T> weights = ctx.tape && parameter->trainable
                                    ? ctx.tape->watch(std::shared_ptr<Leaf<T>>(parameter))
                                    : Variable<T>(parameter->value);
    sum = add(sum, parameter->regularizer(weights));
  }
  return sum;
}

template <Scalar T>
TrainingStep<T>::TrainingStep(Module<T>& net, const LossFunction<T>& loss, Optimizer<T>& optimizer,
                              Warnings* warn)
    : net_(net),
      loss_(loss),
      optimizer_(optimizer),
      warn_(warn),
      regularized_(regularized_parameters(net)) {}

template <Scalar T>
double TrainingStep<T>::run(const Batch<T>& batch, Rng& rng, const Measure& measure) {
  const std::int64_t random_step = rng.step();
  const TapeClearer<T> clearer{tape_};
  updates_.clear();
  try {
    Context<T> ctx = Context<T>::for_training(tape_, rng);
    ctx.updates = StateUpdates::collect;
    ctx.collected = &updates_;
    ctx.warn = warn_;
    const Variable<T> prediction = net_(Variable<T>(batch.features), ctx);
    Variable<T> loss = loss_(prediction, batch.labels);
    if (loss.size() != 1) {
      throw ShapeError("trainer", "the loss must be a scalar, by its reduction; got shape " +
                                      loss.shape().to_string());
    }
    if (!regularized_.empty()) loss = add(loss, penalties(regularized_, ctx));
    const double value = loss.item();
    if (!std::isfinite(value)) throw NotFinite{value, random_step};
    measure(prediction.value());
    // A network that is frozen as a whole still moves its statistics.
    if (loss.tracked()) tape_.backward(loss);
    optimizer_.step();
    optimizer_.zero_gradients();
    updates_.apply();
    return value;
  } catch (...) {
    optimizer_.zero_gradients();
    updates_.clear();
    rng.set_step(random_step);
    throw;
  }
}

template <Scalar T>
void TrainingStep<T>::fail(const Batch<T>& batch, const NotFinite& found, Rng& rng,
                           const std::string& where) {
  const Context<T> ctx{
      .training = true, .updates = StateUpdates::discard, .rng = &rng, .step = found.random_step};
  throw NumericError("trainer",
                     fmt::format("the loss must be finite; got {} at {}{}",
                                 std::isnan(found.loss) ? "nan" : fmt::to_string(found.loss), where,
                                 describe_non_finite(net_, batch.features, ctx)));
}

template class TrainingStep<float>;
template class TrainingStep<double>;
template Variable<float> penalties(const ParameterList<float>&, const Context<float>&);
template Variable<double> penalties(const ParameterList<double>&, const Context<double>&);
template ParameterList<float> regularized_parameters(Module<float>&);
template ParameterList<double> regularized_parameters(Module<double>&);

}  // namespace lamina::detail
