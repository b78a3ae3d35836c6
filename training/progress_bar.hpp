// progress_bar: shows how training goes: what is done of the epoch, examples per second, time left,
// the running loss and metrics.
//
//   epoch 2/5  [=========>          ]  234/469  1540/s  0:19 left  loss 0.0812  accuracy 0.9756
//   epoch 2/5  469/469  0:39  1538/s  loss 0.0754  accuracy 0.9771  val_loss 0.0512  val_accuracy
//   0.9838
//
// On a terminal one line is redrawn, cut to the terminal's width; anywhere else (a file, a pipe)
// whole lines are printed: the second form after every epoch, and within long epochs a line every
// `line_seconds`. Time enters only what is shown, never what is computed or saved.
#pragma once

#include <cstdio>
#include <functional>
#include <lamina/training/callback.hpp>
#include <optional>

namespace lamina {

struct ProgressBarOptions {
  std::FILE* output = nullptr;        // null: standard output
  std::optional<bool> terminal = {};  // default: whether the output is one
  double redraw_seconds = 0.1;
  double line_seconds = 30;
  std::function<double()> seconds = {};  // a clock that never goes back; default: the steady clock
};

CallbackPointer progress_bar(const ProgressBarOptions& options = {});

}  // namespace lamina
