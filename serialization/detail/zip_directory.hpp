// The directory of a ZIP file: the little of the format that archives of arrays need.
//
//   members: local header, name, extra field, bytes;  directory: one entry per member;  end record
//
// Reading checks that the members fill the file up to the directory and the directory up to the end
// record, that nothing overlaps, and that local headers tell the same as the directory.
//
// Errors: CheckpointError. Thread-safety: any. Source: PKWARE's APPNOTE 6.3.
#pragma once

#include <cstdint>
#include <lamina/serialization/detail/file_reader.hpp>
#include <string>
#include <vector>

namespace lamina::detail {

enum class ZipMethod : std::uint16_t { stored = 0, deflated = 8 };

struct ZipMember {
  std::string name;
  std::string comment;
  ZipMethod method = ZipMethod::stored;
  std::uint32_t checksum = 0;         // CRC32 of the uncompressed bytes
  std::uint64_t compressed_size = 0;  // each below 4 GiB
  std::uint64_t size = 0;
  std::uint64_t offset = 0;       // of the local header
  std::uint64_t data_offset = 0;  // of the bytes; known after reading
  std::uint16_t flags = 0;        // as a file that is read has them
};

// In the order of their bytes.
std::vector<ZipMember> read_zip_directory(FileReader& file);

std::string zip_local_header(const ZipMember& member);
// The directory and the end record of a file whose members end at `offset`.
std::string zip_directory(const std::vector<ZipMember>& members, std::uint64_t offset);

// What the 32-bit fields of a ZIP file can tell.
inline constexpr std::uint64_t kZipLimit = 0xffffffff;

}  // namespace lamina::detail
