#include <array>
#include <cstring>
#include <lamina/serialization/detail/crc32c.hpp>

namespace lamina::detail {

namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78u;

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[0] advances the register by one byte; tables[k] by one byte that k zero bytes follow.
constexpr Tables make_tables() {
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
// Registers after zero bytes. A register is a polynomial of which bit 31 - k is the coefficient of
// x^k; a zero byte multiplies it by x^8 modulo the polynomial of the checksum.
constexpr std::uint32_t product(std::uint32_t a, std::uint32_t b) {
  std::uint32_t result = 0;
  for (int bit = 31; bit >= 0; --bit) {
    if ((b >> bit) & 1) result ^= a;
    a = (a >> 1) ^ (a & 1 ? kReflectedPolynomial : 0);
  }
  return result;
}

// The register that `kCount` zero bytes make of another, by one look-up per byte of it.
template <std::size_t kCount>
class ZeroBytes {
 public:
  constexpr ZeroBytes() {
    std::uint32_t power = 0x80000000u;        // x^0
    std::uint32_t square = 0x80000000u >> 8;  // x^8
    for (std::size_t count = kCount; count > 0; count >>= 1) {
      if (count & 1) power = product(power, square);
      square = product(square, square);
    }
    for (std::size_t position = 0; position < 4; ++position) {
      for (std::uint32_t byte = 1; byte < 256; ++byte) {
        const std::uint32_t rest = byte & (byte - 1);  // without its lowest bit
        tables_[position][byte] = rest ? tables_[position][rest] ^ tables_[position][byte ^ rest]
                                       : product(power, byte << (8 * position));
      }
    }
  }
  std::uint32_t operator()(std::uint32_t crc) const noexcept {
    return tables_[0][crc & 0xff] ^ tables_[1][(crc >> 8) & 0xff] ^ tables_[2][(crc >> 16) & 0xff] ^
           tables_[3][crc >> 24];
  }

 private:
  std::array<std::array<std::uint32_t, 256>, 4> tables_{};
};

// One instruction waits three cycles for the one before, and three may be under way: three parts of
// kPart bytes each are taken side by side, then joined.
template <std::size_t kPart>
__attribute__((target("sse4.2"))) void by_three(const std::byte*& bytes, std::size_t& count,
                                                std::uint32_t& crc) noexcept {
  static constexpr ZeroBytes<kPart> kAfter{};
  for (; count >= 3 * kPart; bytes += 3 * kPart, count -= 3 * kPart) {
    std::uint64_t first = crc, second = 0, third = 0;
    for (std::size_t i = 0; i < kPart; i += 8) {
      first = __builtin_ia32_crc32di(first, word_at(bytes + i));
      second = __builtin_ia32_crc32di(second, word_at(bytes + kPart + i));
      third = __builtin_ia32_crc32di(third, word_at(bytes + 2 * kPart + i));
    }
    crc = kAfter(static_cast<std::uint32_t>(first)) ^ static_cast<std::uint32_t>(second);
    crc = kAfter(crc) ^ static_cast<std::uint32_t>(third);
  }
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(const std::byte* bytes,
                                                               std::size_t count,
                                                               std::uint32_t crc) noexcept {
  by_three<4096>(bytes, count, crc);
  by_three<256>(bytes, count, crc);
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
