#include <charconv>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/layers/detail/spatial_fields.hpp>

namespace lamina {

namespace {

std::string pair_text(const Extents2& extents) {
  return "(" + std::to_string(extents[0]) + ", " + std::to_string(extents[1]) + ")";
}

// Reads what Padding::to_string wrote: four integers between punctuation.
Padding fixed_padding(const std::string& text) {
  std::array<std::int64_t, 4> numbers{};
  std::size_t count = 0;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    if (*at == '(' || *at == ')' || *at == ',' || *at == ' ') {
      ++at;
      continue;
    }
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(at, end, number);
    if (error != std::errc() || count == numbers.size()) {
      count = 0;
      break;
    }
    numbers[count++] = number;
    at = rest;
  }
  if (count != numbers.size()) {
    throw ArgumentError(
        "padding",
        "padding must be valid, same, or ((top, bottom), (left, right)); got '" + text + "'");
  }
  return Padding(numbers[0], numbers[1], numbers[2], numbers[3]);
}

}  // namespace

void visit_layout(OptionVisitor& visitor, Layout& layout) {
  visit_choice(visitor, "layout", layout, {"channels_last", "channels_first"});
}

void visit_padding(OptionVisitor& visitor, Padding& padding) {
  std::string text = padding.to_string();
  visitor("padding", text);
  if (text == "valid") {
    padding = Padding::valid;
  } else if (text == "same") {
    padding = Padding::same;
  } else {
    padding = fixed_padding(text);
  }
}

void visit_strides(OptionVisitor& visitor, std::optional<Extents2>& strides) {
  std::vector<std::int64_t> list;
  if (strides) list.assign(strides->begin(), strides->end());
  visitor("strides", list);
  if (list.empty()) {
    strides.reset();
  } else if (list.size() == 2) {
    strides = Extents2{list[0], list[1]};
  } else {
    throw ArgumentError("strides", "strides must be two numbers or none; got " +
                                       std::to_string(list.size()) + " numbers");
  }
}

void require_positive(const char* who, const char* what, const Extents2& extents) {
  if (extents[0] >= 1 && extents[1] >= 1) return;
  throw ArgumentError(who, std::string(what) + " must be at least 1; got " + pair_text(extents));
}

void require_padding(const char* who, const Padding& padding) {
  if (padding.mode() != Padding::Mode::fixed) return;
  for (int i = 0; i < 2; ++i) {
    const auto side = static_cast<std::size_t>(i);
    if (padding.before()[side] >= 0 && padding.after()[side] >= 0) continue;
    throw ArgumentError(who, "padding must be at least 0; got " + padding.to_string());
  }
}

void require_image(const char* who, const Shape& input, Layout layout) {
  if (input.rank() == 4) return;
  throw ShapeError(who, std::string("the input must have 4 axes (") +
                            (layout == Layout::channels_last ? "batch, height, width, channels"
                                                             : "batch, channels, height, width") +
                            "); got input " + input.to_string());
}

}  // namespace lamina
