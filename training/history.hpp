// History: what training measured, one value per name and epoch: "loss", the metrics, and with
// validation "val_loss" and so on, and "learning_rate" (of the epoch's last step). Errors:
// ArgumentError for a name that was not measured, listing those that were.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lamina {

class History {
 public:
  History() = default;
  explicit History(const std::vector<std::string>& names);

  const std::vector<std::string>& names() const noexcept { return names_; }
  std::int64_t epochs() const noexcept;
  bool contains(const std::string& name) const noexcept;

  // One value per epoch.
  const std::vector<double>& at(const std::string& name) const { return series_[index(name)]; }
  std::vector<double>& at(const std::string& name) { return series_[index(name)]; }
  // Of the last epoch; ArgumentError when there is none.
  double last(const std::string& name) const;

  bool interrupted = false;  // by Ctrl-C
  std::string stop_reason;   // empty: all epochs were done

 private:
  std::size_t index(const std::string& name) const;

  std::vector<std::string> names_;
  std::vector<std::vector<double>> series_;
};

}  // namespace lamina
