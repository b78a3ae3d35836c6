// CRC32C, the Castagnoli checksum of iSCSI, ext4 and SSE 4.2: polynomial 0x1EDC6F41, reflected,
// initial value and final inversion 0xFFFFFFFF. It finds every error of up to 5 bits in a kilobyte
// and every burst of up to 32 bits; it is no protection against an author who recomputes it.
//
//   crc32c("123456789") == 0xE3069283;   crc32c(b, crc32c(a)) == crc32c(a followed by b)
//
// The processor's instruction is used where it exists, on three parts side by side (about 8 bytes
// per cycle), tables elsewhere. Source: RFC 3720, B.4. Thread-safety: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lamina::detail {

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept;

// The form without the instruction, for processors that lack it and for comparison in tests.
std::uint32_t crc32c_by_tables(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept;

}  // namespace lamina::detail
