#include <algorithm>
#include <array>
#include <bit>
#include <boost/archive/archive_exception.hpp>
#include <boost/archive/binary_iarchive.hpp>
#include <cstring>
#include <lamina/serialization/detail/header.hpp>
#include <lamina/serialization/detail/stored_manifest.hpp>
#include <streambuf>

namespace lamina::detail {

namespace {

constexpr unsigned kArchiveFlags =
    boost::archive::no_header | boost::archive::no_codecvt | boost::archive::no_tracking;

// An entry takes 13 bytes at least, its mark 4: every 64th is a 208th of the bytes.
constexpr std::uint32_t kMarkDistance = 64;

class SpanBuffer : public std::streambuf {
 public:
  explicit SpanBuffer(std::span<const std::byte> bytes, std::size_t begin) {
    // A stream buffer reads through char*; nothing is ever put back or written.
    char* first = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
    setg(first, first + begin, first + bytes.size());
  }
  std::size_t position() const { return static_cast<std::size_t>(gptr() - eback()); }
  std::size_t remaining() const { return static_cast<std::size_t>(egptr() - gptr()); }
  // The next bytes, of which there must be as many, where they lie.
  std::string_view take(std::uint32_t count) {
    const std::string_view taken(gptr(), count);
    setg(eback(), gptr() + count, egptr());
    return taken;
  }
};

}  // namespace

// Decodes what stands at its position, and checks all that can be told of it alone.
class ManifestParser {
 public:
  ManifestParser(std::span<const std::byte> bytes, std::size_t begin, const FileTask& task)
      : buffer_(bytes, begin), archive_(buffer_, kArchiveFlags), task_(task) {}

  std::size_t position() const { return buffer_.position(); }
  std::size_t remaining() const { return buffer_.remaining(); }

  [[noreturn]] void refuse(const std::string& what_must_hold, const std::string& got) const {
    task_.fail("have a manifest that can " + what_must_hold, got);
  }

  // A number of items of at least `item_bytes` each: more than the rest could hold is refused.
  std::uint32_t count(std::size_t item_bytes, const char* what) {
    const std::uint32_t number = u32();
    if (number > buffer_.remaining() / item_bytes) {
      refuse(std::string("hold its ") + what,
             std::to_string(number) + " in " + std::to_string(buffer_.remaining()) + " bytes");
    }
    return number;
  }
  std::string_view text(std::uint32_t longest, const char* what) {
    const std::uint32_t length = count(1, what);
    if (length > longest) {
      refuse(std::string("have a ") + what + " of at most " + std::to_string(longest) + " bytes",
             std::to_string(length));
    }
    return buffer_.take(length);
  }

  // Without `options` these are only checked.
  ModuleRecord module(bool options = true) {
    ModuleRecord record;
    const std::uint32_t flags = u32();
    if (flags > 3) refuse("be read", "module flags " + std::to_string(flags));
    record.children_listed = (flags & 1) != 0;
    record.tied = (flags & 2) != 0;
    record.path = text(kLongestName, "module path");
    if (!record.path.empty() && !is_name(record.path)) refuse("be read", "a bad module path");
    record.type = name("module type");
    record.tied_to = text(kLongestName, "module path");
    for (std::uint32_t left = count(4 * 4, "options"); left > 0; --left) {
      OptionRecord read = option(options);
      if (options) record.options.push_back(std::move(read));
    }
    return record;
  }

  TensorEntry tensor() {
    TensorEntry entry;
    entry.name = name("tensor name");
    const std::uint32_t dtype = u32();
    if (dtype < 1 || dtype > static_cast<std::uint32_t>(DType::uint8)) {
      refuse("be read", "element type " + std::to_string(dtype) + " of " + quoted(entry.name));
    }
    entry.dtype = static_cast<DType>(dtype);
    entry.shape = shape(entry);
    entry.offset = u64();
    entry.bytes = u64();
    entry.checksum = u32();
    return entry;
  }

  ValueEntry value() {
    ValueEntry entry;
    entry.name = name("value name");
    const std::uint32_t kind = u32();
    switch (ValueKind{kind}) {
      case ValueKind::integer:
        entry.value = std::bit_cast<std::int64_t>(u64());
        break;
      case ValueKind::number:
        entry.value = std::bit_cast<double>(u64());
        break;
      case ValueKind::text:
        entry.value = text(kLongestText, "text");
        break;
      default:
        refuse("be read", "kind " + std::to_string(kind) + " of " + quoted(entry.name));
    }
    return entry;
  }

  static std::string quoted(std::string_view name) {
    std::string text("'");
    text += name;
    return text += '\'';
  }

 private:
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
  std::string_view name(const char* what) {
    const std::string_view value = text(kLongestName, what);
    if (!is_name(value)) {
      refuse("be read",
             std::string("a ") + what + " that is empty, not UTF-8, or holds control characters");
    }
    return value;
  }

  OptionRecord option(bool kept) {
    OptionRecord record;
    record.name = name("option name");
    const std::uint32_t kind = u32();
    if (kind < 1 || kind > static_cast<std::uint32_t>(OptionKind::constraint)) {
      refuse("be read", "option kind " + std::to_string(kind));
    }
    record.kind = static_cast<OptionKind>(kind);
    for (std::uint32_t left = count(8, "numbers"); left > 0; --left) {
      const std::uint64_t number = u64();
      if (kept) record.numbers.push_back(number);
    }
    for (std::uint32_t left = count(4, "texts"); left > 0; --left) {
      const std::string_view held = text(kLongestText, "text");
      if (kept) record.texts.emplace_back(held);
    }
    return record;
  }

  // Also bounds the number of bytes: the product of the extents, those of 0 counted as 1, times the
  // size of an element fits in 63 bits.
  Shape shape(const TensorEntry& entry) {
    const std::uint32_t rank = count(8, "extents");
    if (rank > kMaxRank) {
      refuse("be read", std::to_string(rank) + " axes of " + quoted(entry.name));
    }
    std::array<std::int64_t, kMaxRank> extents{};
    std::int64_t bytes = bytes_of(entry.dtype);
    for (std::uint32_t axis = 0; axis < rank; ++axis) {
      const std::uint64_t extent = u64();
      const bool fits =
          extent <= std::uint64_t{INT64_MAX} &&
          !__builtin_mul_overflow(
              bytes, std::max<std::int64_t>(static_cast<std::int64_t>(extent), 1), &bytes);
      if (!fits)
        refuse("be read", "extent " + std::to_string(extent) + " of " + quoted(entry.name));
      extents[axis] = static_cast<std::int64_t>(extent);
    }
    return Shape(std::span<const std::int64_t>(extents.data(), rank));
  }

  SpanBuffer buffer_;
  boost::archive::binary_iarchive archive_;
  const FileTask& task_;
};

namespace {

// Entries were checked when the manifest was made: nothing is refused when they are read again.
const FileTask& checked_before() {
  static const FileTask task;
  return task;
}

ModuleRecord parsed(ManifestParser& parser, const ModuleRecord*) { return parser.module(); }
TensorEntry parsed(ManifestParser& parser, const TensorEntry*) { return parser.tensor(); }
ValueEntry parsed(ManifestParser& parser, const ValueEntry*) { return parser.value(); }

// The tensors of a file, in the order of its manifest: they follow each other without holes and
// fill the data.
class Placement {
 public:
  Placement(const ManifestParser& parser, std::uint64_t data_size)
      : parser_(parser), data_size_(data_size) {}

  void add(const TensorEntry& entry) {
    const auto expected_bytes =
        static_cast<std::uint64_t>(entry.shape.size() * bytes_of(entry.dtype));
    if (entry.bytes != expected_bytes) {
      parser_.refuse("be read", std::to_string(entry.bytes) + " bytes for " +
                                    ManifestParser::quoted(entry.name) + ", expected " +
                                    std::to_string(expected_bytes));
    }
    const std::uint64_t begin = aligned(end_);  // end_ <= data_size_ <= file size: no overflow
    if (entry.offset != begin || begin > data_size_ || entry.bytes > data_size_ - begin) {
      parser_.refuse("be read", ManifestParser::quoted(entry.name) + " at " +
                                    std::to_string(entry.offset) + " of " +
                                    std::to_string(data_size_) + " bytes, expected it at " +
                                    std::to_string(begin));
    }
    end_ = begin + entry.bytes;
  }
  void finish() const {
    if (end_ == data_size_) return;
    parser_.refuse("name every byte of the data",
                   std::to_string(end_) + " of " + std::to_string(data_size_) + " bytes");
  }

 private:
  const ManifestParser& parser_;
  std::uint64_t data_size_;
  std::uint64_t end_ = 0;  // of the last tensor
};

// Names in strictly ascending order.
class Ascent {
 public:
  Ascent(const ManifestParser& parser, const char* what) : parser_(parser), what_(what) {}

  void add(std::string_view name) {
    if (!first_ && last_ >= name) {
      parser_.refuse(std::string("name its ") + what_ + " in ascending order",
                     ManifestParser::quoted(name) + " after " + ManifestParser::quoted(last_));
    }
    first_ = false;
    last_ = name;
  }

 private:
  const ManifestParser& parser_;
  const char* what_;
  std::string_view last_;
  bool first_ = true;
};

}  // namespace

template <class Entry>
EntryCursor<Entry>::EntryCursor(std::span<const std::byte> manifest, std::size_t begin,
                                std::uint32_t count)
    : parser_(std::make_unique<ManifestParser>(manifest, begin, checked_before())), left_(count) {}

template <class Entry>
EntryCursor<Entry>::EntryCursor(EntryCursor&&) noexcept = default;
template <class Entry>
EntryCursor<Entry>::~EntryCursor() = default;

template <class Entry>
std::optional<Entry> EntryCursor<Entry>::next() {
  if (left_ == 0) return {};
  --left_;
  return parsed(*parser_, static_cast<const Entry*>(nullptr));
}

StoredManifest::StoredManifest(std::vector<std::byte> bytes, std::uint64_t data_size,
                               const FileTask& task)
    : bytes_(std::move(bytes)) {
  ManifestParser parser(bytes_, 0, task);
  const auto begin_list = [&](std::size_t item_bytes, const char* what) {
    List list;
    list.count = parser.count(item_bytes, what);
    list.begin = parser.position();
    return list;
  };
  const auto for_entries = [&](List& list, const auto& check) {
    list.marks.reserve(list.count / kMarkDistance + 1);
    for (std::uint32_t i = 0; i < list.count; ++i) {
      if (i % kMarkDistance == 0) {
        list.marks.push_back(static_cast<std::uint32_t>(parser.position()));
      }
      check();
    }
  };
  try {
    library_version_ = parser.text(kLongestName, "library version");
    modules_ = begin_list(5 * 4, "modules");
    for (std::uint32_t left = modules_.count; left > 0; --left) parser.module(false);

    tensors_ = begin_list(4 * 4 + 2 * 8, "tensors");
    Ascent tensor_names(parser, "tensors");
    Placement placement(parser, data_size);
    for_entries(tensors_, [&] {
      const TensorEntry entry = parser.tensor();
      tensor_names.add(entry.name);
      placement.add(entry);
    });

    values_ = begin_list(3 * 4, "values");
    Ascent value_names(parser, "values");
    auto before = tensors();
    auto other = before.next();
    for_entries(values_, [&] {
      const ValueEntry entry = parser.value();
      value_names.add(entry.name);
      while (other && other->name < entry.name) other = before.next();
      if (other && other->name == entry.name) {
        parser.refuse("name each value once",
                      ManifestParser::quoted(entry.name) + " as a tensor and as another value");
      }
    });
    placement.finish();
  } catch (const boost::archive::archive_exception&) {
    task.fail("have a manifest that can be read", "one that ends too early");
  }
  if (parser.remaining() != 0) {
    parser.refuse("end with its last value", std::to_string(parser.remaining()) + " bytes more");
  }
}

EntryCursor<ModuleRecord> StoredManifest::modules() const {
  return {bytes_, modules_.begin, modules_.count};
}
EntryCursor<TensorEntry> StoredManifest::tensors() const {
  return {bytes_, tensors_.begin, tensors_.count};
}
EntryCursor<ValueEntry> StoredManifest::values() const {
  return {bytes_, values_.begin, values_.count};
}

std::vector<ModuleRecord> StoredManifest::architecture() const {
  std::vector<ModuleRecord> records;
  for (auto cursor = modules(); auto record = cursor.next();) records.push_back(std::move(*record));
  return records;
}

// Every entry begins with its name.
template <class Entry>
std::optional<Entry> StoredManifest::find(const List& list, std::string_view name) const {
  const auto name_at = [&](std::uint32_t mark) {
    std::uint32_t length = 0;
    std::memcpy(&length, &bytes_[mark], sizeof length);
    return std::string_view(reinterpret_cast<const char*>(&bytes_[mark]) + sizeof length, length);
  };
  const auto behind = std::upper_bound(
      list.marks.begin(), list.marks.end(), name,
      [&](std::string_view wanted, std::uint32_t mark) { return wanted < name_at(mark); });
  if (behind == list.marks.begin()) return {};
  const auto first = static_cast<std::uint32_t>(behind - list.marks.begin() - 1) * kMarkDistance;
  EntryCursor<Entry> cursor(bytes_, *(behind - 1), std::min(kMarkDistance, list.count - first));
  while (auto entry = cursor.next()) {
    if (entry->name == name) return entry;
    if (entry->name > name) break;
  }
  return {};
}

std::optional<TensorEntry> StoredManifest::tensor(std::string_view name) const {
  return find<TensorEntry>(tensors_, name);
}
std::optional<ValueEntry> StoredManifest::value(std::string_view name) const {
  return find<ValueEntry>(values_, name);
}

template class EntryCursor<ModuleRecord>;
template class EntryCursor<TensorEntry>;
template class EntryCursor<ValueEntry>;

}  // namespace lamina::detail
