// Tables in plain text, for what is printed to people: every column as wide as its widest cell, two
// spaces between them, lines that end with '\n'.
#pragma once

#include <string>
#include <vector>

namespace lamina::detail {

// The first `text_columns` are aligned to the left, the others to the right. All lines have as many
// cells as the first.
std::string aligned_table(const std::vector<std::vector<std::string>>& lines,
                          std::size_t text_columns);

}  // namespace lamina::detail
