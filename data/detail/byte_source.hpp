// The bytes of a file that is plain or packed by gzip, told apart by their first two bytes.
// Internal.
//
// Errors: DataError naming the file: not readable, or a gzip stream that is cut short or corrupt
// (its checksum is verified when the end is reached, so a reader must ask once more after its last
// byte). Several gzip members in a row are one stream, as for gunzip. Thread-safety: one thread
// uses an object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace lamina::data::detail {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // The number of bytes read: fewer than asked for only at the end.
  virtual std::size_t read(void* to, std::size_t bytes) = 0;

  // No more bytes than this can come, whatever a header promises: the size of a plain file, 1032
  // times the size of a packed one (the most that deflate can do).
  virtual std::uint64_t most_bytes() const noexcept = 0;

  virtual bool packed() const noexcept = 0;
};

std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& path, const char* who);

}  // namespace lamina::data::detail
