#include <bit>
#include <boost/archive/archive_exception.hpp>
#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <lamina/serialization/detail/header.hpp>
#include <lamina/serialization/detail/manifest.hpp>
#include <streambuf>

namespace lamina::detail {

namespace {

constexpr unsigned kArchiveFlags =
    boost::archive::no_header | boost::archive::no_codecvt | boost::archive::no_tracking;

enum ValueKind : std::uint32_t { kInteger = 1, kNumber = 2, kText = 3 };

class StringBuffer : public std::streambuf {
 public:
  std::string text;

 protected:
  int_type overflow(int_type c) override {
    if (!traits_type::eq_int_type(c, traits_type::eof())) text += traits_type::to_char_type(c);
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    text.append(bytes, static_cast<std::size_t>(count));
    return count;
  }
};

class SpanBuffer : public std::streambuf {
 public:
  explicit SpanBuffer(std::span<const std::byte> bytes) {
    // A stream buffer reads through char*; nothing is ever put back or written.
    char* first = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
    setg(first, first, first + bytes.size());
  }
  std::size_t remaining() const { return static_cast<std::size_t>(egptr() - gptr()); }
};

class ManifestWriter {
 public:
  explicit ManifestWriter(StringBuffer& buffer) : archive_(buffer, kArchiveFlags) {}

  void operator()(const Manifest& manifest) {
    text(manifest.library_version);
    list(manifest.architecture, [&](const ModuleRecord& module) { write(module); });
    list(manifest.tensors, [&](const TensorEntry& tensor) { write(tensor); });
    list(manifest.values, [&](const ValueEntry& value) { write(value); });
  }

 private:
  void u32(std::uint64_t value) { archive_ << static_cast<std::uint32_t>(value); }
  void u64(std::uint64_t value) { archive_ << value; }
  void text(const std::string& value) {
    u32(value.size());
    if (!value.empty()) archive_.save_binary(value.data(), value.size());
  }
  template <class Items, class Write>
  void list(const Items& items, Write&& write_item) {
    u32(items.size());
    for (const auto& item : items) write_item(item);
  }

  void write(const ModuleRecord& module) {
    u32((module.children_listed ? 1u : 0u) | (module.tied ? 2u : 0u));
    text(module.path);
    text(module.type);
    text(module.tied_to);
    list(module.options, [&](const OptionRecord& option) {
      text(option.name);
      u32(static_cast<std::uint32_t>(option.kind));
      list(option.numbers, [&](std::uint64_t number) { u64(number); });
      list(option.texts, [&](const std::string& value) { text(value); });
    });
  }
  void write(const TensorEntry& tensor) {
    text(tensor.name);
    u32(static_cast<std::uint32_t>(tensor.dtype));
    list(tensor.shape.extents(),
         [&](std::int64_t extent) { u64(static_cast<std::uint64_t>(extent)); });
    u64(tensor.offset);
    u64(tensor.bytes);
    u32(tensor.checksum);
  }
  void write(const ValueEntry& entry) {
    text(entry.name);
    u32(entry.value.index() + kInteger);
    if (const auto* integer = std::get_if<std::int64_t>(&entry.value)) {
      u64(std::bit_cast<std::uint64_t>(*integer));
    } else if (const auto* number = std::get_if<double>(&entry.value)) {
      u64(std::bit_cast<std::uint64_t>(*number));
    } else {
      text(std::get<std::string>(entry.value));
    }
  }

  boost::archive::binary_oarchive archive_;
};

class ManifestReader {
 public:
  ManifestReader(std::span<const std::byte> bytes, std::uint64_t data_size, const FileTask& task)
      : buffer_(bytes), archive_(buffer_, kArchiveFlags), data_size_(data_size), task_(task) {}

  Manifest operator()() {
    Manifest manifest;
    manifest.library_version = text(kLongestName, "library version");
    manifest.architecture = list<ModuleRecord>(5 * 4, "modules", [&] { return module(); });
    manifest.tensors = list<TensorEntry>(4 * 4 + 2 * 8, "tensors", [&] { return tensor(); });
    manifest.values = list<ValueEntry>(3 * 4, "values", [&] { return value(); });
    require_ascending(manifest.tensors, "tensors");
    require_ascending(manifest.values, "values");
    if (end_ != data_size_) {
      refuse("name every byte of the data",
             std::to_string(end_) + " of " + std::to_string(data_size_) + " bytes");
    }
    if (buffer_.remaining() != 0) {
      refuse("end with its last value", std::to_string(buffer_.remaining()) + " bytes more");
    }
    return manifest;
  }

 private:
  [[noreturn]] void refuse(const std::string& what_must_hold, const std::string& got) const {
    task_.fail("have a manifest that can " + what_must_hold, got);
  }

  std::uint32_t u32() {
    std::uint32_t value = 0;
    archive_ >> value;
    return value;
  }
  std::uint64_t u64() {
    std::uint64_t value = 0;
    archive_ >> value;
    return value;
  }
  // A number of items of at least `item_bytes` each: more than the rest could hold is refused
  // before anything is made for them.
  std::uint32_t count(std::size_t item_bytes, const char* what) {
    const std::uint32_t number = u32();
    if (number > buffer_.remaining() / item_bytes) {
      refuse(std::string("hold its ") + what,
             std::to_string(number) + " in " + std::to_string(buffer_.remaining()) + " bytes");
    }
    return number;
  }
  std::string text(std::uint32_t longest, const char* what) {
    const std::uint32_t length = count(1, what);
    if (length > longest) {
      refuse(std::string("have a ") + what + " of at most " + std::to_string(longest) + " bytes",
             std::to_string(length));
    }
    std::string value(length, '\0');
    if (length > 0) archive_.load_binary(value.data(), length);
    return value;
  }
  std::string name(const char* what) {
    std::string value = text(kLongestName, what);
    if (!is_name(value)) {
      refuse("be read",
             std::string("a ") + what + " that is empty, not UTF-8, or holds control characters");
    }
    return value;
  }
  // No reserve: memory grows with what was really read.
  template <class Item, class Read>
  std::vector<Item> list(std::size_t item_bytes, const char* what, Read&& read) {
    std::vector<Item> items;
    for (std::uint32_t left = count(item_bytes, what); left > 0; --left) items.push_back(read());
    return items;
  }

  ModuleRecord module() {
    ModuleRecord record;
    const std::uint32_t flags = u32();
    if (flags > 3) refuse("be read", "module flags " + std::to_string(flags));
    record.children_listed = (flags & 1) != 0;
    record.tied = (flags & 2) != 0;
    record.path = text(kLongestName, "module path");
    if (!record.path.empty() && !is_name(record.path)) refuse("be read", "a bad module path");
    record.type = name("module type");
    record.tied_to = text(kLongestName, "module path");
    record.options = list<OptionRecord>(4 * 4, "options", [&] { return option(); });
    return record;
  }
  OptionRecord option() {
    OptionRecord record;
    record.name = name("option name");
    const std::uint32_t kind = u32();
    if (kind < 1 || kind > static_cast<std::uint32_t>(OptionKind::constraint)) {
      refuse("be read", "option kind " + std::to_string(kind));
    }
    record.kind = static_cast<OptionKind>(kind);
    record.numbers = list<std::uint64_t>(8, "numbers", [&] { return u64(); });
    record.texts = list<std::string>(4, "texts", [&] { return text(kLongestText, "text"); });
    return record;
  }

  TensorEntry tensor() {
    TensorEntry entry;
    entry.name = name("tensor name");
    const std::uint32_t dtype = u32();
    if (dtype < 1 || dtype > static_cast<std::uint32_t>(DType::uint8)) {
      refuse("be read", "element type " + std::to_string(dtype) + " of '" + entry.name + "'");
    }
    entry.dtype = static_cast<DType>(dtype);
    entry.shape = shape(entry);
    entry.offset = u64();
    entry.bytes = u64();
    entry.checksum = u32();
    place(entry);
    return entry;
  }
  // Also bounds the number of bytes: the product of the extents, those of 0 counted as 1, times the
  // size of an element fits in 63 bits.
  Shape shape(const TensorEntry& entry) {
    const std::uint32_t rank = count(8, "extents");
    if (rank > kMaxRank) refuse("be read", std::to_string(rank) + " axes of '" + entry.name + "'");
    std::array<std::int64_t, kMaxRank> extents{};
    std::int64_t bytes = bytes_of(entry.dtype);
    for (std::uint32_t axis = 0; axis < rank; ++axis) {
      const std::uint64_t extent = u64();
      const bool fits =
          extent <= std::uint64_t{INT64_MAX} &&
          !__builtin_mul_overflow(
              bytes, std::max<std::int64_t>(static_cast<std::int64_t>(extent), 1), &bytes);
      if (!fits) refuse("be read", "extent " + std::to_string(extent) + " of '" + entry.name + "'");
      extents[axis] = static_cast<std::int64_t>(extent);
    }
    return Shape(std::span<const std::int64_t>(extents.data(), rank));
  }
  // Tensors follow each other without holes and stay inside the data.
  void place(const TensorEntry& entry) {
    const std::uint64_t expected_bytes =
        static_cast<std::uint64_t>(entry.shape.size() * bytes_of(entry.dtype));
    if (entry.bytes != expected_bytes) {
      refuse("be read", std::to_string(entry.bytes) + " bytes for '" + entry.name + "', expected " +
                            std::to_string(expected_bytes));
    }
    const std::uint64_t begin = aligned(end_);  // end_ <= data_size_ <= file size: no overflow
    if (entry.offset != begin || begin > data_size_ || entry.bytes > data_size_ - begin) {
      refuse("be read", "'" + entry.name + "' at " + std::to_string(entry.offset) + " of " +
                            std::to_string(data_size_) + " bytes, expected it at " +
                            std::to_string(begin));
    }
    end_ = begin + entry.bytes;
  }

  ValueEntry value() {
    ValueEntry entry;
    entry.name = name("value name");
    switch (const std::uint32_t kind = u32()) {
      case kInteger:
        entry.value = std::bit_cast<std::int64_t>(u64());
        break;
      case kNumber:
        entry.value = std::bit_cast<double>(u64());
        break;
      case kText:
        entry.value = text(kLongestText, "text");
        break;
      default:
        refuse("be read", "kind " + std::to_string(kind) + " of '" + entry.name + "'");
    }
    return entry;
  }

  template <class Entry>
  void require_ascending(const std::vector<Entry>& entries, const char* what) const {
    for (std::size_t i = 1; i < entries.size(); ++i) {
      if (entries[i - 1].name < entries[i].name) continue;
      refuse(std::string("name its ") + what + " in ascending order",
             "'" + entries[i].name + "' after '" + entries[i - 1].name + "'");
    }
  }

  SpanBuffer buffer_;
  boost::archive::binary_iarchive archive_;
  std::uint64_t data_size_;
  std::uint64_t end_ = 0;  // of the last tensor
  const FileTask& task_;
};

}  // namespace

std::string encode_manifest(const Manifest& manifest) {
  StringBuffer buffer;
  ManifestWriter{buffer}(manifest);
  return std::move(buffer.text);
}

Manifest decode_manifest(std::span<const std::byte> bytes, std::uint64_t data_size,
                         const FileTask& task) {
  try {
    return ManifestReader(bytes, data_size, task)();
  } catch (const boost::archive::archive_exception&) {
    task.fail("have a manifest that can be read", "one that ends too early");
  }
}

bool is_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > kLongestName) return false;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte_at = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
    const unsigned first = byte_at(i++);
    if (first < 0x20 || first == 0x7f) return false;
    if (first < 0x80) continue;
    const std::size_t following = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || following > text.size() - i) return false;
    std::uint32_t point = first & (0x3fu >> following);
    for (std::size_t k = 0; k < following; ++k) {
      const unsigned byte = byte_at(i++);
      if ((byte & 0xc0) != 0x80) return false;
      point = point << 6 | (byte & 0x3f);
    }
    const bool overlong = (following == 2 && point < 0x800) || (following == 3 && point < 0x10000);
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (overlong || surrogate || point > 0x10ffff) return false;
  }
  return true;
}

}  // namespace lamina::detail
