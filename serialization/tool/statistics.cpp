#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <lamina/serialization/detail/crc32c.hpp>
#include <lamina/serialization/tool/statistics.hpp>

namespace lamina::tool {

namespace {

template <Element E>
void measure(const Tensor<E>& tensor, Statistics& result) {
  double sum = 0;
  for (const E element : tensor.values()) {
    const auto value = static_cast<double>(element);
    if (std::isnan(value)) {
      ++result.nan;
    } else if (std::isinf(value)) {
      ++result.infinite;
    } else {
      result.minimum = result.finite == 0 ? value : std::min(result.minimum, value);
      result.maximum = result.finite == 0 ? value : std::max(result.maximum, value);
      sum += value;
      ++result.finite;
    }
  }
  if (result.finite == 0) return;
  const auto count = static_cast<double>(result.finite);
  result.mean = sum / count;
  const double width = result.maximum - result.minimum;
  double squares = 0;
  for (const E element : tensor.values()) {
    const auto value = static_cast<double>(element);
    if (!std::isfinite(value)) continue;
    squares += (value - result.mean) * (value - result.mean);
    const double place = width > 0 ? (value - result.minimum) / width : 0.5;
    const auto bin = static_cast<std::size_t>(place * kBins);
    ++result.histogram[std::min(bin, kBins - 1)];
  }
  result.deviation = std::sqrt(squares / count);
}

// Control characters would reach the terminal.
std::string printable(const std::string& text) {
  constexpr std::size_t kLongest = 60;
  std::string result = text.substr(0, kLongest);
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return fmt::format("\"{}\"{}", result, text.size() > kLongest ? "..." : "");
}

}  // namespace

std::optional<Statistics> statistics_of(const StateValue& value) {
  return std::visit(
      [](const auto& held) -> std::optional<Statistics> {
        if constexpr (requires { held.dtype(); }) {
          Statistics result;
          result.dtype = lamina::name_of(held.dtype());
          result.shape = held.shape();
          result.checksum = detail::crc32c(std::as_bytes(held.values()));
          measure(held, result);
          return result;
        } else {
          return std::nullopt;
        }
      },
      value);
}

std::string plain_text_of(const StateValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* text = std::get_if<std::string>(&value)) return printable(*text);
  return "";
}

std::string bars(const Statistics& statistics, bool utf8) {
  static constexpr const char* kBlocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                            "\u2585", "\u2586", "\u2587", "\u2588"};
  static constexpr const char* kAscii[] = {" ", ".", ":", "-", "=", "+", "*", "%", "#"};
  const std::int64_t most = std::max<std::int64_t>(
      1, *std::max_element(statistics.histogram.begin(), statistics.histogram.end()));
  std::string text;
  for (const std::int64_t count : statistics.histogram) {
    const auto height = static_cast<std::size_t>((count * 8 + most - 1) / most);
    text += utf8 ? kBlocks[height] : kAscii[height];
  }
  return text;
}

bool terminal_speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    const std::string_view locale(value);
    return locale.find("UTF-8") != std::string_view::npos ||
           locale.find("utf8") != std::string_view::npos;
  }
  return false;
}

}  // namespace lamina::tool
