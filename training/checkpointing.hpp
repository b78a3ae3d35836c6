// checkpoint: writes the whole state of the run, so that trainer.resume(folder) goes on to the same
// bytes.
//
//   checkpoint({.folder = "run", .keep = 3})                       // after every epoch
//   checkpoint({.folder = "run", .every_steps = 500})              // and within
//   checkpoint({.folder = "run", .best = "val_loss"})              // and the best, as
//   best-<number>.lamina
//   checkpoint({.folder = "run", .background = true})              // written beside the training
//
// In the background at most one more copy of the state is held, the files have the same bytes, and
// the last one is whole when fit() returns. A run that Ctrl-C or a callback ends is saved too, once
// it has made a step.
// Files: <folder>/checkpoint-<number>.lamina, the last `keep` of them. Errors: ArgumentError
// (options; a name for `best` that is not measured), CheckpointError (saving).
#pragma once

#include <lamina/nn/options.hpp>
#include <lamina/training/monitor.hpp>

namespace lamina {

struct CheckpointOptions {
  Required<std::string> folder;
  int keep = 3;
  std::int64_t every_epochs = 1;
  std::int64_t every_steps = 0;  // 0: only at the end of epochs
  std::string best = {};         // the value whose best epoch is kept besides; empty: none
  MonitorMode mode = MonitorMode::automatic;
  bool background = false;  // whether training goes on while a file is written
};

CallbackPointer checkpoint(const CheckpointOptions& options);

}  // namespace lamina
