// Callbacks that set the optimizer's learning rate. A schedule by steps belongs into the
// optimizer's options; these go by epochs and by results.
//
//   learning_rate_schedule(step_decay({.learning_rate = 0.1, .step_size = 30}))     // steps are
//   epochs here reduce_on_plateau({.monitor = "val_loss", .factor = 0.5, .patience = 5})
//
// Errors: ArgumentError for numbers outside their range, and at the start for a name not measured.
#pragma once

#include <lamina/optim/schedule.hpp>
#include <lamina/optim/update_options.hpp>
#include <lamina/training/monitor.hpp>
#include <optional>

namespace lamina {

// The rate of each epoch, from 0. A function is a schedule too: Schedule([](std::int64_t epoch)
// {...}).
CallbackPointer learning_rate_schedule(const Schedule& schedule);

// Multiplies the rate by `factor` when the value has stopped improving.
//   Keras:    better by more than min_delta; reduces when the bad epochs reach patience
//   PyTorch:  better by more than min_delta, relative to the best where relative is set; reduces
//             when the bad epochs exceed patience, and only by more than epsilon
// Bad epochs are not counted during the cooldown after a reduction.
struct ReduceOnPlateauOptions {
  std::string monitor = "val_loss";
  double factor = 0.1;
  std::int64_t patience = 10;
  double min_delta = 1e-4;
  std::int64_t cooldown = 0;
  double min_learning_rate = 0;
  MonitorMode mode = MonitorMode::automatic;
  bool relative = false;
  OptimizerFormula formula = OptimizerFormula::keras;
  double epsilon = 1e-8;  // of PyTorch's formula
};
CallbackPointer reduce_on_plateau(const ReduceOnPlateauOptions& options = {});

// What reduce_on_plateau does with the values, without a run.
class Plateau {
 public:
  Plateau(const ReduceOnPlateauOptions& options, bool larger_is_better);

  // The rate after an epoch with this value.
  double next(double value, double rate);

  // The numbers to be remembered.
  double best;  // NaN: none yet
  std::int64_t bad_epochs = 0;
  std::int64_t cooling = 0;

 private:
  bool better(double value) const;

  ReduceOnPlateauOptions options_;
  bool larger_;
};

}  // namespace lamina
