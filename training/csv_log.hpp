// csv_log: one line per epoch: epoch (from 1) and everything that is measured, full precision.
//
//   csv_log("run/log.csv")      ->  epoch,loss,accuracy,val_loss,val_accuracy,learning_rate
//
// A new run replaces the file; a resumed one keeps the lines of the epochs that its checkpoint
// knows and goes on after them. Each line is written through at once. Errors: DataError when the
// file cannot be written, at the start or later.
#pragma once

#include <lamina/training/callback.hpp>

namespace lamina {

CallbackPointer csv_log(const std::string& path);

}  // namespace lamina
