#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/training/history.hpp>

namespace lamina {

History::History(const std::vector<std::string>& names) : names_(names), series_(names.size()) {}

std::int64_t History::epochs() const noexcept {
  return series_.empty() ? 0 : static_cast<std::int64_t>(series_.front().size());
}

bool History::contains(const std::string& name) const noexcept {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

std::size_t History::index(const std::string& name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
  throw ArgumentError("history",
                      fmt::format("the name must be one that was measured; got '{}', expected {}",
                                  name, fmt::join(names_, ", ")));
}

double History::last(const std::string& name) const {
  const std::vector<double>& values = at(name);
  if (values.empty()) {
    throw ArgumentError("history", "there must be an epoch; got none for '" + name + "'");
  }
  return values.back();
}

}  // namespace lamina
