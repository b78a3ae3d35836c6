#include <array>
#include <cstring>
#include <lamina/serialization/detail/crc32c.hpp>

namespace lamina::detail {

namespace {

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[0] advances the register by one byte; tables[k] by one byte that k zero bytes follow.
constexpr Tables make_tables() {
  constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78u;
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? kReflectedPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[k - 1][byte];
      tables[k][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint64_t word_at(const std::byte* bytes) noexcept {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

std::uint32_t by_tables(const std::byte* bytes, std::size_t count, std::uint32_t crc) noexcept {
  for (; count >= 8; bytes += 8, count -= 8) {
    const std::uint64_t word = word_at(bytes) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; count > 0; ++bytes, --count) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<std::uint32_t>(*bytes)) & 0xff];
  }
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(const std::byte* bytes,
                                                               std::size_t count,
                                                               std::uint32_t crc) noexcept {
  std::uint64_t wide = crc;
  for (; count >= 8; bytes += 8, count -= 8) {
    wide = __builtin_ia32_crc32di(wide, word_at(bytes));
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; count > 0; ++bytes, --count) {
    crc = __builtin_ia32_crc32qi(crc, static_cast<unsigned char>(*bytes));
  }
  return crc;
}

const bool kHasInstruction = __builtin_cpu_supports("sse4.2");
#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) noexcept {
#if defined(__x86_64__)
  if (kHasInstruction) return ~by_instruction(bytes.data(), bytes.size(), ~before);
#endif
  return crc32c_by_tables(bytes, before);
}

std::uint32_t crc32c_by_tables(std::span<const std::byte> bytes, std::uint32_t before) noexcept {
  return ~by_tables(bytes.data(), bytes.size(), ~before);
}

}  // namespace lamina::detail
