#include <algorithm>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/options.hpp>

namespace lamina {

std::size_t visit_choice(OptionVisitor& visitor, std::string_view name, std::size_t current,
                         std::initializer_list<std::string_view> names) {
  std::string text(names.begin()[current]);
  visitor(name, text);
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) {
    std::string known;
    for (const auto candidate : names) {
      if (!known.empty()) known += ", ";
      known += candidate;
    }
    throw ArgumentError(std::string(name),
                        "the choice must be one of " + known + "; got '" + text + "'");
  }
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace lamina
