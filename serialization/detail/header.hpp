// The first 64 bytes of a checkpoint file, little-endian:
//
//   offset  bytes  field
//        0      8  89 4C 4D 4E 0D 0A 1A 0A: no text, and changed by every transfer that changes
//        line ends 8      4  format version, 1
//       12      4  endian tag 0x01020304
//       16      8  size of the file
//       24      8  size of the manifest, which follows the header
//       32      8  offset of the data: 64 + manifest, rounded up to 64; the gap is zero
//       40      8  size of the data, which ends the file
//       48      4  flags, 0
//       52      4  CRC32C of the manifest
//       56      4  reserved, 0
//       60      4  CRC32C of the 60 bytes before
//
// Thread-safety: any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <lamina/serialization/detail/file_error.hpp>
#include <span>

namespace lamina::detail {

inline constexpr std::size_t kHeaderBytes = 64;
inline constexpr std::uint64_t kAlignment = 64;
inline constexpr std::uint32_t kFormatVersion = 1;
// Far above every real manifest (100 bytes per tensor), far below what would hurt.
inline constexpr std::uint64_t kLargestManifest = std::uint64_t{64} << 20;

struct Header {
  std::uint64_t file_size = 0;
  std::uint64_t manifest_size = 0;
  std::uint64_t data_offset = 0;
  std::uint64_t data_size = 0;
  std::uint32_t manifest_checksum = 0;
};

// The next multiple of 64; the argument must be at most 2^64 - 64.
constexpr std::uint64_t aligned(std::uint64_t position) noexcept {
  return (position + (kAlignment - 1)) & ~(kAlignment - 1);
}

std::array<std::byte, kHeaderBytes> encode_header(const Header& header) noexcept;

// Checks everything that the header alone and the size of the file allow; CheckpointError
// otherwise.
Header decode_header(std::span<const std::byte, kHeaderBytes> bytes, std::uint64_t file_size,
                     const FileTask& task);

}  // namespace lamina::detail
