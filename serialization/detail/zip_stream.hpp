// The bytes of a member of a ZIP file, and bytes made into one.
//
// Errors: CheckpointError. Thread-safety: one thread per object. Source: zlib's manual.
#pragma once

#include <zlib.h>

#include <lamina/serialization/detail/zip_directory.hpp>
#include <span>
#include <string>
#include <vector>

namespace lamina::detail {

class ZipMemberStream {
 public:
  // A member that tells more than its compressed bytes can hold is refused.
  ZipMemberStream(FileReader& file, const ZipMember& member);
  ~ZipMemberStream();
  ZipMemberStream(const ZipMemberStream&) = delete;
  ZipMemberStream& operator=(const ZipMemberStream&) = delete;

  // The number of bytes read: fewer than asked for only at the end.
  std::size_t read(std::span<std::byte> bytes);
  // After the last byte: there are no more, and all fit the checksum.
  void finish();

 private:
  [[noreturn]] void damaged(const std::string& what) const;
  std::size_t read_stored(std::span<std::byte> bytes);
  std::size_t inflate_some(std::span<std::byte> bytes);
  void fill();

  FileReader& file_;
  const ZipMember& member_;
  std::uint64_t taken_ = 0, given_ = 0;  // compressed and uncompressed bytes so far
  std::uint32_t checksum_ = 0;
  std::vector<std::byte> input_;
  z_stream inflater_{};
  bool ended_ = false;
};

// CRC32, and the bytes deflated, of parts one after the other.
std::uint32_t zip_checksum(std::span<const std::span<const std::byte>> parts);
std::string deflated(std::span<const std::span<const std::byte>> parts);

}  // namespace lamina::detail
