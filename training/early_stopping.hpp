// early_stopping: ends the run when the monitored value has not improved for `patience` epochs.
//
//   early_stopping({.monitor = "val_loss", .patience = 3})
//
// An epoch counts as better when its value beats the best by more than min_delta. The run ends
// after the epoch in which the epochs without improvement reach patience (Keras); patience 0 ends
// with the first. Errors: ArgumentError for a patience or min_delta below 0, and at the start for a
// name not measured.
#pragma once

#include <lamina/training/monitor.hpp>

namespace lamina {

struct EarlyStoppingOptions {
  std::string monitor = "val_loss";
  double min_delta = 0;
  std::int64_t patience = 0;
  MonitorMode mode = MonitorMode::automatic;
};

CallbackPointer early_stopping(const EarlyStoppingOptions& options = {});

}  // namespace lamina
