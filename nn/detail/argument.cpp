#include <charconv>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/nn/detail/argument.hpp>

namespace lamina {

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";  // without the sign, which tells nothing
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}

void require_finite(const char* who, const char* what, double value) {
  if (std::isfinite(value)) return;
  throw ArgumentError(who, std::string(what) + " must be finite; got " + number_text(value));
}

void require_not_negative(const char* who, const char* what, double value) {
  if (std::isfinite(value) && value >= 0) return;
  throw ArgumentError(
      who, std::string(what) + " must be finite and at least 0; got " + number_text(value));
}

void require_at_least(const char* who, const char* what, std::int64_t value, std::int64_t least) {
  if (value >= least) return;
  throw ArgumentError(who, std::string(what) + " must be at least " + std::to_string(least) +
                               "; got " + std::to_string(value));
}

}  // namespace lamina
