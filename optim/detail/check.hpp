// Checks of options, in the grammar of error.hpp: "[sgd] learning_rate must be finite and at least
// 0; got -1". Errors: ArgumentError.
#pragma once

#include <string>
#include <string_view>

namespace lamina::detail {

// The shortest text that reads back to the same number; independent of the locale.
std::string text(double number);

void require(bool holds, std::string_view who, const std::string& message);
void at_least(std::string_view who, std::string_view field, double value, double least);
// Finite and above 0.
void positive(std::string_view who, std::string_view field, double value);
// In [0, 1).
void fraction(std::string_view who, std::string_view field, double value);
// In [0, 1].
void at_most_one(std::string_view who, std::string_view field, double value);

}  // namespace lamina::detail
