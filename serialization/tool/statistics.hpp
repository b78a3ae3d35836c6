// What can be said about a tensor in one line.
//
// minimum, maximum, mean, deviation (of the population) and histogram are of the finite elements;
// in double, and 0 where there are none. The histogram has equal bins from minimum to maximum.
#pragma once

#include <array>
#include <cstdint>
#include <lamina/serialization/state_dict.hpp>
#include <optional>
#include <string>

namespace lamina::tool {

inline constexpr std::size_t kBins = 16;

struct Statistics {
  std::string dtype;
  Shape shape;
  std::int64_t finite = 0, nan = 0, infinite = 0;
  double minimum = 0, maximum = 0, mean = 0, deviation = 0;
  std::array<std::int64_t, kBins> histogram{};
  std::uint32_t checksum = 0;  // CRC32C of the elements
};

// Nothing for a value that is no tensor.
std::optional<Statistics> statistics_of(const StateValue& value);

// An integer, number or text as it is shown; a long text is cut.
std::string plain_text_of(const StateValue& value);

// The bins as characters of growing height: blocks, or ASCII where the terminal has no UTF-8.
std::string bars(const Statistics& statistics, bool utf8);
bool terminal_speaks_utf8();

}  // namespace lamina::tool
