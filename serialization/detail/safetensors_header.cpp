#include <algorithm>
#include <lamina/serialization/detail/manifest.hpp>
#include <lamina/serialization/detail/safetensors_header.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace lamina::detail {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kMetadata = "__metadata__";

struct TypeName {
  DType dtype;
  const char* name;
};
constexpr TypeName kTypeNames[] = {
    {DType::float32, "F32"}, {DType::float64, "F64"}, {DType::int64, "I64"}, {DType::uint8, "U8"}};

// Printable ASCII only, and not all of a long text: it ends in a message.
std::string shown(std::string_view text) {
  std::string result(text.substr(0, 64));
  for (char& c : result) {
    if (c < ' ' || c > '~') c = '?';
  }
  return "'" + result + "'" + (text.size() > 64 ? "..." : "");
}

// Takes the events of a JSON parser and accepts only the form of a header, so that no tree of JSON
// values is ever built from hostile text, and no depth beyond the form's is entered.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(std::uint64_t data_size, const FileTask& task)
      : data_size_(data_size), task_(task) {}

  SafetensorsHeader header;

  bool start_object(std::size_t) override {
    if (place_ == Place::before) return go(Place::top);
    if (place_ == Place::entry) {
      field_.clear();
      return go(in_metadata_ ? Place::metadata : Place::tensor);
    }
    malformed("an object where none belongs");
  }
  bool end_object() override {
    if (place_ == Place::top) return go(Place::after);
    if (place_ == Place::tensor) finish_tensor();
    return go(Place::top);
  }
  bool key(std::string& text) override {
    switch (place_) {
      case Place::top:
        begin_entry(text);
        return go(Place::entry);
      case Place::metadata:
        if (header.metadata.contains(text)) malformed("the key " + shown(text) + " twice");
        field_ = text;
        return true;
      default:
        begin_field(text);
        return true;
    }
  }
  bool string(std::string& text) override {
    if (place_ == Place::metadata) {
      header.metadata.emplace(field_, text);
      return true;
    }
    if (place_ == Place::tensor && field_ == "dtype") {
      dtype_ = text;
      return true;
    }
    malformed("a text where none belongs");
  }
  bool start_array(std::size_t) override {
    if (place_ == Place::tensor && field_ == "shape") {
      shape_.emplace();
      return go(Place::numbers);
    }
    if (place_ == Place::tensor && field_ == "data_offsets") {
      offsets_.emplace();
      return go(Place::numbers);
    }
    malformed("a list where none belongs");
  }
  bool end_array() override { return go(Place::tensor); }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::numbers) malformed("a number where none belongs");
    auto& numbers = field_ == "shape" ? *shape_ : *offsets_;
    const std::size_t most = field_ == "shape" ? std::size_t{kMaxRank} : 2;
    if (numbers.size() == most) {
      malformed("more than " + std::to_string(most) + " numbers in the " + field_ + " of " +
                shown(name_));
    }
    numbers.push_back(value);
    return true;
  }

  bool null() override { malformed("null"); }
  bool boolean(bool) override { malformed("a truth value"); }
  bool number_integer(number_integer_t) override { malformed("a negative number"); }
  bool number_float(number_float_t, const std::string&) override {
    malformed("a number that is no integer");
  }
  bool binary(binary_t&) override { malformed("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    malformed("no JSON at its byte " + std::to_string(position));
  }

 private:
  enum class Place { before, top, entry, metadata, tensor, numbers, after };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  [[noreturn]] void malformed(const std::string& found) const {
    task_.fail("have a header of the safetensors form", found);
  }

  void begin_entry(const std::string& name) {
    in_metadata_ = name == kMetadata;
    if (!in_metadata_ && !is_name(name)) {
      task_.fail("have names of 1 to 256 bytes of UTF-8 without control characters", shown(name));
    }
    if (in_metadata_ ? metadata_seen_ : names_.contains(name)) {
      malformed("the name " + shown(name) + " twice");
    }
    metadata_seen_ = metadata_seen_ || in_metadata_;
    name_ = name;
    dtype_.reset();
    shape_.reset();
    offsets_.reset();
  }

  void begin_field(const std::string& text) {
    const bool known = text == "dtype" || text == "shape" || text == "data_offsets";
    if (!known) malformed("the field " + shown(text) + " in " + shown(name_));
    const bool twice = (text == "dtype" && dtype_) || (text == "shape" && shape_) ||
                       (text == "data_offsets" && offsets_);
    if (twice) malformed("the field " + shown(text) + " twice in " + shown(name_));
    field_ = text;
  }

  void finish_tensor() {
    if (!dtype_ || !shape_ || !offsets_ || offsets_->size() != 2) {
      malformed("no dtype, shape and two data_offsets in " + shown(name_));
    }
    SafetensorsEntry entry{.name = name_,
                           .dtype = known_type(),
                           .shape = checked_shape(),
                           .begin = (*offsets_)[0],
                           .end = (*offsets_)[1]};
    if (entry.begin > entry.end || entry.end > data_size_) {
      task_.fail(
          "have " + shown(name_) + " among its " + std::to_string(data_size_) + " bytes of data",
          "bytes " + std::to_string(entry.begin) + " to " + std::to_string(entry.end));
    }
    std::int64_t bytes = 0;
    const std::uint64_t held = entry.end - entry.begin;
    if (__builtin_mul_overflow(entry.shape.size(), bytes_of(entry.dtype), &bytes) ||
        static_cast<std::uint64_t>(bytes) != held) {
      task_.fail("have as many bytes for " + shown(name_) + " as its shape " +
                     entry.shape.to_string() + " of " + *dtype_ + " tells",
                 std::to_string(held) + " bytes");
    }
    header.tensors.push_back(std::move(entry));
    names_.insert(header.tensors.back().name);
  }

  DType known_type() const {
    for (const TypeName& type : kTypeNames) {
      if (*dtype_ == type.name) return type.dtype;
    }
    task_.fail("hold elements of type F32, F64, I64 or U8", shown(*dtype_) + " in " + shown(name_));
  }

  Shape checked_shape() const {
    std::vector<std::int64_t> extents;
    for (const std::uint64_t extent : *shape_) {
      if (extent > INT64_MAX) malformed("an extent of more than 63 bits in " + shown(name_));
      extents.push_back(static_cast<std::int64_t>(extent));
    }
    try {
      return Shape(std::span<const std::int64_t>(extents));
    } catch (const ShapeError& error) {
      task_.fail("have a shape that a tensor can have for " + shown(name_), error.message());
    }
  }

  const std::uint64_t data_size_;
  const FileTask& task_;
  Place place_ = Place::before;
  bool in_metadata_ = false, metadata_seen_ = false;
  std::string name_, field_;
  std::set<std::string_view> names_;  // of the tensors so far, where they are kept
  std::optional<std::string> dtype_;
  std::optional<std::vector<std::uint64_t>> shape_, offsets_;
};

const char* name_in_file(DType dtype) {
  for (const TypeName& type : kTypeNames) {
    if (type.dtype == dtype) return type.name;
  }
  return "";
}

}  // namespace

std::string encode_safetensors_header(const SafetensorsHeader& header, const FileTask& task) {
  Json root = Json::object();
  if (!header.metadata.empty()) root[std::string(kMetadata)] = header.metadata;
  for (const SafetensorsEntry& entry : header.tensors) {
    if (entry.name == kMetadata) {
      task.fail("have no value of the name '__metadata__', which the format keeps for itself",
                "one");
    }
    root[entry.name] = {{"dtype", name_in_file(entry.dtype)},
                        {"shape", entry.shape.extents()},
                        {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string text;
  try {
    text = root.dump();
  } catch (const nlohmann::json::type_error&) {
    task.fail("have texts of UTF-8", "other bytes");
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

SafetensorsHeader decode_safetensors_header(std::string_view text, std::uint64_t data_size,
                                            const FileTask& task) {
  if (!text.starts_with('{')) task.fail("have a header that begins with '{'", "another beginning");
  HeaderReader reader(data_size, task);
  nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
  auto& tensors = reader.header.tensors;
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t filled = 0;
  for (const SafetensorsEntry& entry : tensors) {
    if (entry.begin != filled) {
      task.fail("have its tensors one after the other, without holes or overlaps",
                shown(entry.name) + " at byte " + std::to_string(entry.begin) + ", expected " +
                    std::to_string(filled));
    }
    filled = entry.end;
  }
  if (filled != data_size) {
    task.fail("end with its last tensor", std::to_string(data_size - filled) + " bytes behind it");
  }
  return std::move(reader.header);
}

}  // namespace lamina::detail
