#include <charconv>
#include <cmath>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/optim/detail/check.hpp>

namespace lamina::detail {

std::string text(double number) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  return std::string(buffer, end);
}

void require(bool holds, std::string_view who, const std::string& message) {
  if (!holds) throw ArgumentError(std::string(who), message);
}

void at_least(std::string_view who, std::string_view field, double value, double least) {
  if (std::isfinite(value) && value >= least) return;
  throw ArgumentError(std::string(who), std::string(field) + " must be finite and at least " +
                                            text(least) + "; got " + text(value));
}

void positive(std::string_view who, std::string_view field, double value) {
  if (std::isfinite(value) && value > 0) return;
  throw ArgumentError(std::string(who),
                      std::string(field) + " must be finite and above 0; got " + text(value));
}

void fraction(std::string_view who, std::string_view field, double value) {
  if (value >= 0 && value < 1) return;
  throw ArgumentError(std::string(who),
                      std::string(field) + " must lie in [0, 1); got " + text(value));
}

void at_most_one(std::string_view who, std::string_view field, double value) {
  if (value >= 0 && value <= 1) return;
  throw ArgumentError(std::string(who),
                      std::string(field) + " must lie in [0, 1]; got " + text(value));
}

}  // namespace lamina::detail
