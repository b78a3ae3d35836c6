// The program in the documentation of tf.compat.v1.layers.batch_normalization, in lamina: what
// stands under tf.GraphKeys.UPDATE_OPS there is gathered by the context here, and grouped with the
// step of the optimizer.
//
//   x_norm = batch_normalization(x, training)    batch_normalization(scope, x, ctx, {...})
//   get_collection(UPDATE_OPS)                   ctx.collected
//   optimizer.minimize(loss)                     tape.backward(loss), optimizer.step()
//   tf.group([train_op, update_ops])             ... and update_ops.apply()
//
// Everybody forgets the last one once. In lamina one may leave out all of it: by default the
// training call itself updates the statistics.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <lamina/lamina.hpp>

using namespace lamina;

namespace {

// Inputs of mean 5 and deviation 3.
Tensor<float> draw_inputs(std::int64_t count, std::int64_t step) {
  Tensor<float> x = Tensor<float>::uninitialized({count, 1});
  Rng(7).stream("inputs", step).fill_normal(x.mutable_values(), 5, 3);
  return x;
}

// What is to be learned: gamma must become 2 and beta 1.
Variable<float> target_for(const Variable<float>& x) { return (x - 5.0F) / 3.0F * 2.0F + 1.0F; }

Variable<float> loss_of(const Scope& scope, const Tensor<float>& inputs,
                        const Context<float>& ctx) {
  const Variable<float> x(inputs);
  const Variable<float> x_norm =
      batch_normalization(scope, x, ctx, {.momentum = 0.9, .name = "bn"}, Reuse::automatic);
  return mean(square(x_norm - target_for(x)));
}

void run(std::int64_t steps, bool apply) {
  const Scope scope;
  Rng rng(1);
  Tape<float> tape;
  // The variables are made by the first call; this one leaves no other trace.
  loss_of(scope, draw_inputs(256, 0), {.updates = StateUpdates::discard, .rng = &rng});
  SGD<float> optimizer(scope.parameters<float>(), {.learning_rate = 0.1});

  for (std::int64_t step = 0; step < steps; ++step) {
    CollectedUpdates<float> update_ops;
    auto ctx = Context<float>::for_training(tape, rng);
    ctx.updates = StateUpdates::collect;
    ctx.collected = &update_ops;
    tape.backward(loss_of(scope, draw_inputs(256, step), ctx));
    optimizer.step();
    optimizer.zero_gradients();
    tape.clear();
    if (apply) update_ops.apply();
  }

  Buffer<float> moving_mean, moving_variance;
  scope.bind("bn/moving_mean", moving_mean);
  scope.bind("bn/moving_variance", moving_variance);
  PrintedWarnings warnings;
  auto inference = Context<float>::for_inference();
  inference.warn = &warnings;
  const float loss = loss_of(scope, draw_inputs(1000, steps), inference).item();
  fmt::print(
      "updates {}: gamma {:.1f}, beta {:.1f}, moving_mean {:.1f}, moving_variance {:.1f}; loss in "
      "inference {:.1f}\n",
      apply ? "applied" : "forgotten", scope.parameters<float>()[0]->value.item(),
      scope.parameters<float>()[1]->value.item(), moving_mean.value().item(),
      moving_variance.value().item(), loss);
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Batch normalization with updates that the caller applies, or forgets");
  std::int64_t steps = 100;
  app.add_option("--steps", steps, "of training")->capture_default_str();
  CLI11_PARSE(app, count, arguments);
  run(steps, true);
  run(steps, false);
  return 0;
}
