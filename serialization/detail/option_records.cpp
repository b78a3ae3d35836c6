#include <bit>
#include <lamina/serialization/detail/option_records.hpp>

namespace lamina::detail {

namespace {

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }
std::uint64_t bits(std::int64_t value) { return std::bit_cast<std::uint64_t>(value); }
std::uint64_t bits(bool value) { return value ? 1 : 0; }

template <class V>
V from_bits(std::uint64_t value) {
  if constexpr (std::is_same_v<V, bool>) {
    return value != 0;
  } else {
    return std::bit_cast<V>(value);
  }
}

template <class V>
std::vector<std::uint64_t> bits_of_optional(const std::optional<V>& value) {
  if (!value) return {};
  return {bits(*value)};
}

template <class V>
std::optional<V> optional_from(const OptionRecord& record) {
  if (record.numbers.empty()) return std::nullopt;
  return from_bits<V>(record.numbers[0]);
}

}  // namespace

void OptionRecorder::add(std::string_view name, OptionKind kind, std::vector<std::uint64_t> numbers,
                         std::vector<std::string> texts) {
  records.push_back({std::string(name), kind, std::move(numbers), std::move(texts)});
}

void OptionRecorder::operator()(std::string_view name, bool& value) {
  add(name, OptionKind::boolean, {bits(value)});
}
void OptionRecorder::operator()(std::string_view name, std::int64_t& value) {
  add(name, OptionKind::integer, {bits(value)});
}
void OptionRecorder::operator()(std::string_view name, double& value) {
  add(name, OptionKind::number, {bits(value)});
}
void OptionRecorder::operator()(std::string_view name, std::string& value) {
  add(name, OptionKind::text, {}, {value});
}
void OptionRecorder::operator()(std::string_view name, std::vector<std::int64_t>& value) {
  add(name, OptionKind::integers, {value.begin(), value.end()});
}
void OptionRecorder::operator()(std::string_view name, Extents2& value) {
  add(name, OptionKind::extents, {bits(value[0]), bits(value[1])});
}
void OptionRecorder::operator()(std::string_view name, std::optional<bool>& value) {
  add(name, OptionKind::optional_boolean, bits_of_optional(value));
}
void OptionRecorder::operator()(std::string_view name, std::optional<double>& value) {
  add(name, OptionKind::optional_number, bits_of_optional(value));
}
void OptionRecorder::operator()(std::string_view name, std::optional<std::int64_t>& value) {
  add(name, OptionKind::optional_integer, bits_of_optional(value));
}
void OptionRecorder::operator()(std::string_view name, Initializer& value) {
  describe(name, OptionKind::initializer, value);
}
void OptionRecorder::operator()(std::string_view name, Regularizer& value) {
  describe(name, OptionKind::regularizer, value);
}
void OptionRecorder::operator()(std::string_view name, Constraint& value) {
  describe(name, OptionKind::constraint, value);
}
void OptionRecorder::closure(std::string_view name, bool present) {
  if (present) refuse_code(name, "a function");
}

template <class Described>
void OptionRecorder::describe(std::string_view name, OptionKind kind, const Described& value) {
  const Description description = value.describe();
  if (value && description.name.empty()) refuse_code(name, "a type of the user's own");
  std::vector<std::uint64_t> numbers;
  std::vector<std::string> texts{description.name};
  for (const auto& [label, number] : description.numbers) {
    texts.push_back(label);
    numbers.push_back(bits(number));
  }
  add(name, kind, std::move(numbers), std::move(texts));
}

void OptionRecorder::refuse_code(std::string_view name, const char* what) const {
  task_.fail("be made from options without code",
             std::string(what) + " as option '" + std::string(name) + "' of " + where_);
}

void OptionFiller::refuse(std::string_view name) const {
  task_.fail("hold options of the right kinds", "another kind for option '" + std::string(name) +
                                                    "' of '" + module_.type + "' at '" +
                                                    module_.path + "'");
}

const OptionRecord* OptionFiller::find(std::string_view name, OptionKind kind, std::size_t fewest,
                                       std::size_t most) const {
  for (const OptionRecord& record : module_.options) {
    if (record.name != name) continue;
    const std::size_t count = record.numbers.size();
    if (record.kind != kind || count < fewest || count > most) refuse(name);
    return &record;
  }
  return nullptr;
}

void OptionFiller::operator()(std::string_view name, bool& value) {
  if (const auto* r = find(name, OptionKind::boolean, 1, 1)) value = from_bits<bool>(r->numbers[0]);
}
void OptionFiller::operator()(std::string_view name, std::int64_t& value) {
  if (const auto* r = find(name, OptionKind::integer, 1, 1)) {
    value = from_bits<std::int64_t>(r->numbers[0]);
  }
}
void OptionFiller::operator()(std::string_view name, double& value) {
  if (const auto* r = find(name, OptionKind::number, 1, 1)) {
    value = from_bits<double>(r->numbers[0]);
  }
}
void OptionFiller::operator()(std::string_view name, std::string& value) {
  const auto* record = find(name, OptionKind::text, 0, 0);
  if (!record) return;
  if (record->texts.size() != 1) refuse(name);
  value = record->texts[0];
}
void OptionFiller::operator()(std::string_view name, std::vector<std::int64_t>& value) {
  if (const auto* r = find(name, OptionKind::integers, 0, SIZE_MAX)) {
    value.assign(r->numbers.begin(), r->numbers.end());
  }
}
void OptionFiller::operator()(std::string_view name, Extents2& value) {
  if (const auto* r = find(name, OptionKind::extents, 2, 2)) {
    value = {from_bits<std::int64_t>(r->numbers[0]), from_bits<std::int64_t>(r->numbers[1])};
  }
}
void OptionFiller::operator()(std::string_view name, std::optional<bool>& value) {
  if (const auto* r = find(name, OptionKind::optional_boolean, 0, 1)) {
    value = optional_from<bool>(*r);
  }
}
void OptionFiller::operator()(std::string_view name, std::optional<double>& value) {
  if (const auto* r = find(name, OptionKind::optional_number, 0, 1)) {
    value = optional_from<double>(*r);
  }
}
void OptionFiller::operator()(std::string_view name, std::optional<std::int64_t>& value) {
  if (const auto* r = find(name, OptionKind::optional_integer, 0, 1)) {
    value = optional_from<std::int64_t>(*r);
  }
}
void OptionFiller::operator()(std::string_view name, Initializer& value) {
  remake(name, OptionKind::initializer, value);
}
void OptionFiller::operator()(std::string_view name, Regularizer& value) {
  remake(name, OptionKind::regularizer, value);
}
void OptionFiller::operator()(std::string_view name, Constraint& value) {
  remake(name, OptionKind::constraint, value);
}

template <class Described>
void OptionFiller::remake(std::string_view name, OptionKind kind, Described& value) const {
  const auto* record = find(name, kind, 0, SIZE_MAX);
  if (!record) return;
  if (record->texts.size() != record->numbers.size() + 1) refuse(name);
  Description description{.name = record->texts[0], .numbers = {}};
  for (std::size_t i = 0; i < record->numbers.size(); ++i) {
    description.numbers.emplace_back(record->texts[i + 1], from_bits<double>(record->numbers[i]));
  }
  value = Described::from(description);
}

}  // namespace lamina::detail
