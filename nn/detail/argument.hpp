// Checks of arguments that many constructors share. All errors are ArgumentErrors.
#pragma once

#include <cstdint>
#include <string>

namespace lamina {

// The shortest text that reads back as the same number: "0.1", "nan".
std::string number_text(double value);

void require_finite(const char* who, const char* what, double value);
void require_not_negative(const char* who, const char* what, double value);  // and finite
void require_at_least(const char* who, const char* what, std::int64_t value, std::int64_t least);

}  // namespace lamina
