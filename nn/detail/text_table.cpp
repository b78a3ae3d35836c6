#include <algorithm>
#include <lamina/nn/detail/text_table.hpp>

namespace lamina::detail {

std::string aligned_table(const std::vector<std::vector<std::string>>& lines,
                          std::size_t text_columns) {
  if (lines.empty()) return {};
  std::vector<std::size_t> widths(lines.front().size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string padding(widths[i] - line[i].size(), ' ');
      if (i > 0) text += "  ";
      if (i >= text_columns) text += padding;
      text += line[i];
      if (i < text_columns) text += padding;
    }
    text += '\n';
  }
  return text;
}

}  // namespace lamina::detail
