#include <bit>
#include <cstring>
#include <lamina/serialization/detail/crc32c.hpp>
#include <lamina/serialization/detail/header.hpp>

namespace lamina::detail {

static_assert(std::endian::native == std::endian::little,
              "checkpoint files are written and read in place, for little-endian machines");

namespace {

constexpr std::array<unsigned char, 8> kMagic{0x89, 'L', 'M', 'N', '\r', '\n', 0x1a, '\n'};
constexpr std::uint32_t kEndianTag = 0x01020304;

struct Layout {
  std::array<unsigned char, 8> magic;
  std::uint32_t version;
  std::uint32_t endian_tag;
  std::uint64_t file_size;
  std::uint64_t manifest_size;
  std::uint64_t data_offset;
  std::uint64_t data_size;
  std::uint32_t flags;
  std::uint32_t manifest_checksum;
  std::uint32_t reserved;
  std::uint32_t checksum;
};
static_assert(sizeof(Layout) == kHeaderBytes);

std::uint32_t checksum_of(const Layout& layout) {
  return crc32c(std::as_bytes(std::span(&layout, 1)).first(offsetof(Layout, checksum)));
}

void check_identity(const Layout& layout, const FileTask& task) {
  if (layout.magic != kMagic) {
    task.fail("begin with the mark of a lamina checkpoint", "other bytes");
  }
  if (layout.endian_tag == __builtin_bswap32(kEndianTag)) {
    task.fail("be little-endian", "a file with big-endian numbers");
  }
  if (layout.checksum != checksum_of(layout)) {
    task.fail("have a header (bytes 0 to 63) that fits its checksum", "a damaged header");
  }
  if (layout.endian_tag != kEndianTag) {
    task.fail("have a header with a known byte order", std::to_string(layout.endian_tag));
  }
  if (layout.version != kFormatVersion) {
    task.fail("have format version " + std::to_string(kFormatVersion),
              "version " + std::to_string(layout.version));
  }
  if (layout.flags != 0 || layout.reserved != 0) {
    task.fail("have no flags that this library does not know",
              "flags " + std::to_string(layout.flags) + " and " + std::to_string(layout.reserved));
  }
}

}  // namespace

std::array<std::byte, kHeaderBytes> encode_header(const Header& header) noexcept {
  Layout layout{.magic = kMagic,
                .version = kFormatVersion,
                .endian_tag = kEndianTag,
                .file_size = header.file_size,
                .manifest_size = header.manifest_size,
                .data_offset = header.data_offset,
                .data_size = header.data_size,
                .flags = 0,
                .manifest_checksum = header.manifest_checksum,
                .reserved = 0,
                .checksum = 0};
  layout.checksum = checksum_of(layout);
  return std::bit_cast<std::array<std::byte, kHeaderBytes>>(layout);
}

Header decode_header(std::span<const std::byte, kHeaderBytes> bytes, std::uint64_t file_size,
                     const FileTask& task) {
  Layout layout;
  std::memcpy(&layout, bytes.data(), sizeof layout);
  check_identity(layout, task);
  if (layout.file_size != file_size) {
    task.fail("be as long as its header says",
              std::to_string(file_size) + " bytes, expected " + std::to_string(layout.file_size));
  }
  // The file is at least as long as the header, so no subtraction and no rounding can overflow.
  if (layout.manifest_size > file_size - kHeaderBytes || layout.manifest_size > kLargestManifest) {
    task.fail("have a manifest that fits into it",
              std::to_string(layout.manifest_size) + " bytes of " + std::to_string(file_size));
  }
  const std::uint64_t data_offset = aligned(kHeaderBytes + layout.manifest_size);
  if (layout.data_offset != data_offset || data_offset > file_size ||
      layout.data_size != file_size - data_offset) {
    task.fail("have its data right after the manifest and up to the end",
              std::to_string(layout.data_size) + " bytes at " + std::to_string(layout.data_offset) +
                  ", expected them at " + std::to_string(data_offset));
  }
  return {.file_size = file_size,
          .manifest_size = layout.manifest_size,
          .data_offset = data_offset,
          .data_size = layout.data_size,
          .manifest_checksum = layout.manifest_checksum};
}

}  // namespace lamina::detail
