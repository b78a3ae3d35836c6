#include <bit>
#include <boost/archive/binary_oarchive.hpp>
#include <lamina/serialization/detail/manifest.hpp>
#include <streambuf>

namespace lamina::detail {

namespace {

constexpr unsigned kArchiveFlags =
    boost::archive::no_header | boost::archive::no_codecvt | boost::archive::no_tracking;

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
  void text(std::string_view value) {
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
      list(option.texts, [&](std::string_view value) { text(value); });
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
    u32(entry.value.index() + static_cast<std::size_t>(ValueKind::integer));
    if (const auto* integer = std::get_if<std::int64_t>(&entry.value)) {
      u64(std::bit_cast<std::uint64_t>(*integer));
    } else if (const auto* number = std::get_if<double>(&entry.value)) {
      u64(std::bit_cast<std::uint64_t>(*number));
    } else {
      text(std::get<std::string_view>(entry.value));
    }
  }

  boost::archive::binary_oarchive archive_;
};

}  // namespace

std::string encode_manifest(const Manifest& manifest) {
  StringBuffer buffer;
  ManifestWriter{buffer}(manifest);
  return std::move(buffer.text);
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
