#include <boost/crc.hpp>
#include <boost/test/unit_test.hpp>
#include <lamina/serialization/detail/crc32c.hpp>
#include <numeric>
#include <string>
#include <vector>

using namespace lamina::detail;

namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> mixed_bytes(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * i * 31 + i / 7 + 5);
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(crc32c_checksum)

// RFC 3720, B.4, and the check value of the catalogue of CRCs.
BOOST_AUTO_TEST_CASE(known_answers) {
  std::vector<std::byte> ascending(32), descending(32);
  for (std::size_t i = 0; i < 32; ++i) {
    ascending[i] = static_cast<std::byte>(i);
    descending[31 - i] = static_cast<std::byte>(i);
  }
  const std::pair<std::vector<std::byte>, std::uint32_t> answers[] = {
      {{}, 0u},
      {bytes_of("123456789"), 0xE3069283u},
      {std::vector<std::byte>(32, std::byte{0}), 0x8A9136AAu},
      {std::vector<std::byte>(32, std::byte{0xff}), 0x62A8AB43u},
      {ascending, 0x46DD794Eu},
      {descending, 0x113FDB5Cu}};
  for (const auto& [bytes, answer] : answers) {
    BOOST_TEST(crc32c(bytes) == answer);
    BOOST_TEST(crc32c_by_tables(bytes) == answer);
  }
}

BOOST_AUTO_TEST_CASE(equals_boost_at_every_length_and_alignment) {
  const auto bytes = mixed_bytes(300);
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t count = 0; count + begin <= 300; count += count < 40 ? 1 : 37) {
      const auto part = std::span(bytes).subspan(begin, count);
      boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> expected;
      expected.process_bytes(part.data(), part.size());
      BOOST_REQUIRE_EQUAL(crc32c(part), expected.checksum());
      BOOST_REQUIRE_EQUAL(crc32c_by_tables(part), expected.checksum());
    }
  }
}

// Long inputs are taken in three parts side by side: lengths around where that begins and ends.
BOOST_AUTO_TEST_CASE(equals_the_tables_at_lengths_of_several_parts) {
  const auto bytes = mixed_bytes(40000);
  for (const std::size_t parts : {768, 1536, 12288, 13056, 24576, 36864}) {
    for (const std::size_t more : {0, 1, 7, 8, 9, 255}) {
      for (const std::size_t less : {0, 1, 8}) {
        const auto part = std::span(bytes).subspan(less + more % 5, parts + more - less);
        BOOST_REQUIRE_EQUAL(crc32c(part), crc32c_by_tables(part));
        BOOST_REQUIRE_EQUAL(crc32c(part, 0xabcdef01u), crc32c_by_tables(part, 0xabcdef01u));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(goes_on_from_a_former_part) {
  const auto bytes = mixed_bytes(101);
  const std::uint32_t whole = crc32c(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const auto all = std::span<const std::byte>(bytes);
    BOOST_REQUIRE_EQUAL(crc32c(all.subspan(cut), crc32c(all.first(cut))), whole);
    BOOST_REQUIRE_EQUAL(crc32c_by_tables(all.subspan(cut), crc32c_by_tables(all.first(cut))),
                        whole);
  }
}

BOOST_AUTO_TEST_SUITE_END()
