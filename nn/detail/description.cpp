#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/detail/argument.hpp>
#include <lamina/nn/detail/description.hpp>
#include <limits>

namespace lamina {

DescriptionReader::DescriptionReader(const char* kind, const Description& description)
    : kind_(kind), description_(description) {}

const std::pair<std::string, double>* DescriptionReader::find(const std::string& name) {
  for (const auto& number : description_.numbers) {
    if (number.first != name) continue;
    taken_.insert(name);
    return &number;
  }
  return nullptr;
}

double DescriptionReader::number(const std::string& name) {
  if (const auto* found = find(name)) return found->second;
  throw ArgumentError(kind_, "'" + description_.name + "' must come with the number '" + name +
                                 "'; got none of that name");
}

int DescriptionReader::choice(const std::string& name, int count) {
  const double value = number(name);
  if (value >= 0 && value < count && value == std::floor(value)) return static_cast<int>(value);
  throw ArgumentError(kind_, "the number '" + name + "' of '" + description_.name +
                                 "' must be an integer in [0, " + std::to_string(count) +
                                 "); got " + number_text(value));
}

std::vector<int> DescriptionReader::integers(const std::string& name) {
  std::vector<int> values;
  while (const auto* found = find(name + "_" + std::to_string(values.size()))) {
    const double value = found->second;
    if (!(std::abs(value) <= std::numeric_limits<int>::max()) || value != std::floor(value)) {
      throw ArgumentError(kind_, "the number '" + found->first + "' of '" + description_.name +
                                     "' must be an integer; got " + number_text(value));
    }
    values.push_back(static_cast<int>(value));
  }
  return values;
}

void DescriptionReader::finish(bool known) const {
  if (!known) {
    throw ArgumentError(kind_, std::string("the name must be that of a stock ") + kind_ +
                                   "; got '" + description_.name + "'");
  }
  for (const auto& [name, value] : description_.numbers) {
    if (taken_.contains(name)) continue;
    throw ArgumentError(kind_, "'" + description_.name + "' must come with its own numbers only; " +
                                   "got '" + name + "'");
  }
}

}  // namespace lamina
