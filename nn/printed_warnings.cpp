#include <lamina/nn/printed_warnings.hpp>

namespace lamina {

void PrintedWarnings::warn(std::string_view path, std::string_view message) {
  const std::scoped_lock lock(mutex_);
  if (!given_.emplace(path, message).second) return;
  std::string line = "warning: ";
  if (!path.empty()) line.append("[").append(path).append("] ");
  line.append(message).append("\n");
  std::FILE* const output = output_ ? output_ : stderr;
  std::fputs(line.c_str(), output);
  std::fflush(output);
}

}  // namespace lamina
