#include <fmt/format.h>

#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/training/monitor.hpp>
#include <limits>

namespace lamina {

Monitor::Monitor(std::string who, std::string name, MonitorMode mode, double min_delta)
    : who_(std::move(who)),
      name_(std::move(name)),
      mode_(mode),
      min_delta_(min_delta),
      best_(std::numeric_limits<double>::quiet_NaN()) {
  if (!(min_delta >= 0) || std::isinf(min_delta)) {
    throw ArgumentError(
        who_, fmt::format("min_delta must be finite and at least 0; got {}", min_delta));
  }
}

void Monitor::begin(const TrainingRun& run) {
  if (!run.history.contains(name_)) {
    throw ArgumentError(
        who_, fmt::format("monitor must be a name that the run measures; got '{}', expected {}",
                          name_, fmt::join(run.history.names(), ", ")));
  }
  const bool larger =
      mode_ == MonitorMode::automatic ? run.larger_is_better(name_) : mode_ == MonitorMode::max;
  sign_ = larger ? 1 : -1;
  if (!run.resumed) best_ = std::numeric_limits<double>::quiet_NaN();
}

bool Monitor::better(double value, double than) const {
  if (std::isnan(value)) return false;
  return std::isnan(than) || sign_ * (value - than) > min_delta_;
}

bool Monitor::improved(const TrainingRun& run) {
  const double value = run.value(name_);
  if (!better(value, best_)) return false;
  best_ = value;
  return true;
}

}  // namespace lamina
