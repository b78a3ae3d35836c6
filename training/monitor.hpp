// Monitor: watches one value of a run and knows its best.
// Errors: ArgumentError naming the callback for a name that the run does not measure, or a
// min_delta below 0.
#pragma once

#include <lamina/training/callback.hpp>
#include <string>

namespace lamina {

// Which direction is better: automatic asks the metric (losses: smaller).
enum class MonitorMode { automatic, min, max };

class Monitor {
 public:
  Monitor(std::string who, std::string name, MonitorMode mode, double min_delta);

  // Forgets the best; checks that the run measures the name.
  void begin(const TrainingRun& run);
  // Takes the epoch's value; whether it is better than the best so far by more than min_delta.
  bool improved(const TrainingRun& run);
  bool better(double value, double than) const;

  const std::string& name() const noexcept { return name_; }
  double best() const noexcept { return best_; }
  void visit(ScalarVisitor& visitor) { visitor("best", best_); }

 private:
  std::string who_, name_;
  MonitorMode mode_;
  double min_delta_;
  double sign_ = -1;  // of a better value
  double best_;       // NaN: none yet
};

}  // namespace lamina
