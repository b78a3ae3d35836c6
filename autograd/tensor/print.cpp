#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <lamina/autograd/tensor/print.hpp>
#include <limits>
#include <ostream>
#include <string_view>
#include <vector>

namespace lamina {
namespace {

constexpr std::int64_t kThreshold = 1000;  // elements that are shown without leaving out
constexpr std::int64_t kEdge = 3;          // entries shown at either end of an axis
constexpr std::size_t kLineWidth = 75;
constexpr int kPrecision = 8;  // digits behind the point

// The shortest digits that read back to the same value: d.ddd and an exponent of ten.
struct Digits {
  std::string digits;  // without sign and point, at least one
  int exponent = 0;    // of the first digit
};

// "+07", "-12"
int exponent_in(std::string_view text) {
  int magnitude = 0;
  std::from_chars(text.data() + 1, text.data() + text.size(), magnitude);
  return text[0] == '-' ? -magnitude : magnitude;
}

template <Scalar T>
Digits shortest_digits(T value) {
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), std::abs(value),
                                 std::chars_format::scientific)
                       .ptr;
  const std::string_view whole(text.data(), static_cast<std::size_t>(end - text.data()));
  const auto e = whole.find('e');
  Digits result;
  for (const char c : whole.substr(0, e)) {
    if (c != '.') result.digits += c;
  }
  result.exponent = exponent_in(whole.substr(e + 1));
  return result;
}

// A number before padding: the part before the point with its sign, the part behind it, the
// exponent.
struct Parts {
  std::string whole, fraction, exponent;
};

template <Scalar T>
std::string exact(T value, std::chars_format format, int digits) {
  std::array<char, 512> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, format, digits).ptr;
  return {text.data(), end};
}

void drop_zeros(std::string& fraction) { fraction.erase(fraction.find_last_not_of('0') + 1); }

template <Scalar T>
Parts positional(T value) {
  const auto [digits, exponent] = shortest_digits(value);
  const int behind = static_cast<int>(digits.size()) - 1 - exponent;
  Parts parts;
  if (behind > kPrecision) {
    const std::string text = exact(std::abs(value), std::chars_format::fixed, kPrecision);
    const auto point = text.find('.');
    parts.whole = text.substr(0, point);
    parts.fraction = text.substr(point + 1);
  } else if (exponent < 0) {
    parts.whole = "0";
    parts.fraction = std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  } else {
    const auto before = static_cast<std::size_t>(exponent) + 1;
    parts.whole = digits.substr(0, before);
    parts.whole.resize(before, '0');
    if (digits.size() > before) parts.fraction = digits.substr(before);
  }
  drop_zeros(parts.fraction);
  if (std::signbit(value)) parts.whole = "-" + parts.whole;
  return parts;
}

// Exactly `digits` digits behind the point, rounded from the exact value; trailing zeros stay.
template <Scalar T>
Parts scientific(T value, int digits) {
  const std::string text = exact(std::abs(value), std::chars_format::scientific, digits);
  const auto e = text.find('e');
  const int exponent = exponent_in(std::string_view(text).substr(e + 1));
  Parts parts;
  parts.whole = (std::signbit(value) ? "-" : "") + text.substr(0, 1);
  if (e > 1) parts.fraction = text.substr(2, e - 2);
  const std::string magnitude = std::to_string(std::abs(exponent));
  parts.exponent = exponent < 0 ? "e-" : "e+";
  if (magnitude.size() < 2) parts.exponent += '0';
  parts.exponent += magnitude;
  return parts;
}

// As many digits as the shortest form has, at most kPrecision behind the point.
template <Scalar T>
Parts scientific(T value) {
  const int behind = static_cast<int>(shortest_digits(value).digits.size()) - 1;
  Parts parts = scientific(value, std::min(behind, kPrecision));
  drop_zeros(parts.fraction);
  return parts;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

template <Element T>
class Format;

// All numbers get the same width before and behind the point.
template <Scalar T>
class Format<T> {
 public:
  explicit Format(const std::vector<T>& values) {
    T largest = 0, smallest = std::numeric_limits<T>::infinity();
    for (const T value : values) {
      if (!std::isfinite(value) || value == 0) continue;
      largest = std::max(largest, std::abs(value));
      smallest = std::min(smallest, std::abs(value));
    }
    exponents_ =
        largest > 0 && (largest >= kExponentFrom || smallest < 1e-4 || largest / smallest > 1000);
    bool any = false;
    for (const T value : values) {
      if (!std::isfinite(value)) continue;
      const Parts parts = exponents_ ? scientific(value) : positional(value);
      before_ = std::max(before_, parts.whole.size());
      behind_ = std::max(behind_, parts.fraction.size());
      exponent_ = std::max(exponent_, parts.exponent.size());
      any = true;
    }
    width_ = before_ + (any ? 1 : 0) + behind_ + exponent_;
    for (const T value : values) {
      if (std::isfinite(value)) continue;
      width_ = std::max(width_, special(value).size());
    }
  }

  std::string operator()(T value) const {
    if (!std::isfinite(value)) return padded(special(value), width_);
    if (!exponents_) {
      const Parts parts = positional(value);
      std::string text = parts.whole + "." + parts.fraction;
      text.append(behind_ - parts.fraction.size(), ' ');
      return padded(text, width_);
    }
    Parts parts = scientific(value, static_cast<int>(behind_));
    parts.exponent.insert(2, exponent_ - parts.exponent.size(), '0');
    return padded(parts.whole + "." + parts.fraction + parts.exponent, width_);
  }

 private:
  static constexpr T kExponentFrom = std::same_as<T, float> ? T(1e6) : T(1e8);
  static std::string special(T value) {
    return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  }

  bool exponents_ = false;
  std::size_t before_ = 0, behind_ = 0, exponent_ = 0, width_ = 0;
};

template <Element T>
  requires(!Scalar<T>)
class Format<T> {
 public:
  explicit Format(const std::vector<T>& values) {
    for (const T value : values) width_ = std::max(width_, std::to_string(value).size());
  }
  std::string operator()(T value) const { return padded(std::to_string(value), width_); }

 private:
  std::size_t width_ = 0;
};

// The entries of an axis that are shown: [0, leading) and the last `trailing`.
struct Shown {
  std::int64_t leading, trailing;
  bool all;
};

Shown shown(std::int64_t extent, bool elided) {
  if (elided && extent > 2 * kEdge) return {kEdge, kEdge, false};
  return {0, extent, true};
}

template <Element T>
class Printer {
 public:
  explicit Printer(const Tensor<T>& tensor)
      : tensor_(tensor), elided_(tensor.size() > kThreshold), format_(collect(tensor, elided_)) {}

  std::string text() const { return block(0, 0, " ", kLineWidth); }

 private:
  static std::vector<T> collect(const Tensor<T>& tensor, bool elided) {
    std::vector<T> values;
    collect_axis(tensor, elided, 0, 0, values);
    return values;
  }
  static void collect_axis(const Tensor<T>& tensor, bool elided, int axis, std::int64_t offset,
                           std::vector<T>& values) {
    if (axis == tensor.rank()) return values.push_back(tensor.data()[offset]);
    const std::int64_t extent = tensor.shape()[axis];
    const Shown which = shown(extent, elided);
    for (std::int64_t i = 0; i < extent; ++i) {
      if (i >= which.leading && i < extent - which.trailing) continue;
      collect_axis(tensor, elided, axis + 1, offset * extent + i, values);
    }
  }

  // One bracket: `indent` is what stands before its continuation lines.
  std::string block(int axis, std::int64_t offset, const std::string& indent,
                    std::size_t width) const {
    const bool innermost = axis == tensor_.rank() - 1;
    const std::string text =
        innermost ? row(offset, indent, width) : rows(axis, offset, indent, width);
    return "[" + text.substr(indent.size()) + "]";
  }

  std::string row(std::int64_t offset, const std::string& indent, std::size_t width) const {
    const std::int64_t extent = tensor_.shape()[-1];
    const Shown which = shown(extent, elided_);
    std::string text, line = indent;
    const auto append = [&](const std::string& word, bool last) {
      if (line.size() + word.size() > width - 1 && line.size() > indent.size()) {
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
        line = indent;
      }
      line += word + (last ? "" : " ");
    };
    for (std::int64_t i = 0; i < extent; ++i) {
      if (i == which.leading && !which.all) append("...", false);
      if (i >= which.leading && i < extent - which.trailing) continue;
      append(format_(tensor_.data()[offset * extent + i]), i == extent - 1);
    }
    return text + line;
  }

  std::string rows(int axis, std::int64_t offset, const std::string& indent,
                   std::size_t width) const {
    const std::int64_t extent = tensor_.shape()[axis];
    const Shown which = shown(extent, elided_);
    const std::string separator(static_cast<std::size_t>(tensor_.rank() - axis - 1), '\n');
    std::string text;
    for (std::int64_t i = 0; i < extent; ++i) {
      if (i == which.leading && !which.all) text += indent + "..." + separator;
      if (i >= which.leading && i < extent - which.trailing) continue;
      text += indent + block(axis + 1, offset * extent + i, indent + " ", width - 1);
      if (i < extent - 1) text += separator;
    }
    return text;
  }

  const Tensor<T>& tensor_;
  const bool elided_;
  const Format<T> format_;
};

// One number by itself: from 1e16 on and below 1e-4 with an exponent, else with a digit behind the
// point.
template <Element T>
std::string number(T value) {
  if constexpr (!Scalar<T>) {
    return std::to_string(value);
  } else {
    if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
    const auto [digits, exponent] = shortest_digits(value);
    const std::string sign = std::signbit(value) ? "-" : "";
    if (value != 0 && (exponent < -4 || exponent >= (std::same_as<T, float> ? 6 : 16))) {
      const std::string magnitude = std::to_string(std::abs(exponent));
      return sign + digits.substr(0, 1) + (digits.size() > 1 ? "." + digits.substr(1) : "") +
             (exponent < 0 ? "e-" : "e+") + (magnitude.size() < 2 ? "0" : "") + magnitude;
    }
    if (exponent < 0) {
      return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    }
    std::string whole = digits;
    const auto before = static_cast<std::size_t>(exponent) + 1;
    whole.resize(std::max(whole.size(), before + 1), '0');
    return sign + whole.substr(0, before) + "." + whole.substr(before);
  }
}

}  // namespace

template <Element T>
std::string to_string(const Tensor<T>& tensor) {
  if (!tensor.defined()) return "undefined";
  if (tensor.size() == 0) return "[]";
  if (tensor.rank() == 0) return number(tensor.item());
  return Printer<T>(tensor).text();
}

template <Element T>
std::ostream& operator<<(std::ostream& out, const Tensor<T>& tensor) {
  return out << to_string(tensor);
}

#define LAMINA_PRINT(T)                             \
  template std::string to_string(const Tensor<T>&); \
  template std::ostream& operator<<(std::ostream&, const Tensor<T>&);
LAMINA_PRINT(float)
LAMINA_PRINT(double)
LAMINA_PRINT(std::int64_t)
LAMINA_PRINT(std::uint8_t)
#undef LAMINA_PRINT

}  // namespace lamina
