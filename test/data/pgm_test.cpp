#include <boost/test/unit_test.hpp>
#include <lamina/data/pgm.hpp>
#include <string>

#include "support/files.hpp"
#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;
using namespace std::string_literals;

namespace {

Tensor<std::uint8_t> read_text(const std::string& bytes) {
  const TemporaryFolder folder(Medium::memory);
  write_bytes(folder / "image.pgm", bytes);
  return data::read_pgm(folder / "image.pgm");
}

void refuses_bytes(const std::string& bytes, const std::string& text) {
  const TemporaryFolder folder(Medium::memory);
  const auto path = folder / "image.pgm";
  write_bytes(path, bytes);
  refuses<DataError>("[read_pgm] " + path.string() + " " + text, [&] { data::read_pgm(path); });
}

const std::string kBinary = "P5\n3 2\n255\n\x00\x01\x02\xfd\xfe\xff"s;
const std::string kText = "P2 # plain\n3 2 255\n0 1 2\n253 254 255\n";
const Tensor<std::uint8_t>& small_image() {
  static const Tensor<std::uint8_t> image({2, 3}, {0, 1, 2, 253, 254, 255});
  return image;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(pgm_files)

BOOST_AUTO_TEST_CASE(binary_and_text_images_are_read) {
  BOOST_TEST(identical(read_text(kBinary), small_image()));
  BOOST_TEST(identical(read_text(kText), small_image()));
  BOOST_TEST(
      identical(read_text("P5#a\n#b\n 3\t#c\n2\r\n255\n" + kBinary.substr(11)), small_image()));
  BOOST_TEST(identical(read_text("P2 1 1 255 7"), Tensor<std::uint8_t>({1, 1}, {7})));
  BOOST_TEST(identical(read_text("P2 1 1 255 7 # done"), Tensor<std::uint8_t>({1, 1}, {7})));
  // The first byte of the pixels may look like white space or a comment.
  BOOST_TEST(identical(read_text("P5 2 1 255\n\n#"), Tensor<std::uint8_t>({1, 2}, {10, 35})));
}

BOOST_AUTO_TEST_CASE(smaller_ranges_are_spread) {
  BOOST_TEST(
      identical(read_text("P2 4 1 3 0 1 2 3"), Tensor<std::uint8_t>({1, 4}, {0, 85, 170, 255})));
  BOOST_TEST(identical(read_text("P5 2 1 1\n\0\1"s), Tensor<std::uint8_t>({1, 2}, {0, 255})));
}

BOOST_AUTO_TEST_CASE(written_images_are_read_again) {
  const TemporaryFolder folder(Medium::memory);
  data::write_pgm(folder / "a.pgm", small_image());
  BOOST_TEST(read_bytes(folder / "a.pgm") == kBinary);
  BOOST_TEST(identical(data::read_pgm(folder / "a.pgm"), small_image()));
}

BOOST_AUTO_TEST_CASE(malformed_images_are_refused) {
  const std::string beginning =
      "must be a PGM image, beginning with P5 or P2; got another beginning";
  refuses_bytes("", beginning);
  refuses_bytes("P", beginning);
  refuses_bytes("P6 1 1 255 abc", beginning);
  refuses_bytes("P5", "must have a number for the width; got the end of the file");
  refuses_bytes("P5 3", "must have a number for the height; got the end of the file");
  refuses_bytes("P5 3 -2 255\n", "must have a number for the height; got byte 45");
  refuses_bytes("P5 0 2 255\n", "must have a width above 0; got 0");
  refuses_bytes("P5 3 0 255\n", "must have a height above 0; got 0");
  refuses_bytes("P5 99999999999999999999 2 255\n",
                "must have a width of at most 1000000000; got more");
  refuses_bytes("P5 1000000000 1000000000 255\nabc",
                "must hold 1000000000000000000 pixels, 1000000000 rows of 1000000000; got 3 "
                "bytes behind the header");
  refuses_bytes("P5 1 1 0\n\0"s,
                "must have 8 bits per pixel; got a largest value of 0, expected 1 to 255");
  refuses_bytes("P5 1 1 65535\n\0\0"s,
                "must have 8 bits per pixel; got a largest value of 65535, expected 1 to 255");
  refuses_bytes("P5 1 1 65536\n\0\0"s, "must have a largest value of at most 65535; got more");
  refuses_bytes("P5 1 1 255", "must have white space behind the header; got the end of the file");
  refuses_bytes("P5 1 1 255x", "must have white space behind the header; got byte 120");
  refuses_bytes("P5 2 1 255\nx", "must hold 2 pixels, 1 rows of 2; got 1 bytes behind the header");
  refuses_bytes("P5 2 1 255\nxyz", "must end after its pixels; got 1 bytes more");
  refuses_bytes("P2 2 1 255 1  ", "must have a number for the pixel; got the end of the file");
  refuses_bytes("P2 2 1 255 1 x", "must have a number for the pixel; got byte 120");
  refuses_bytes("P2 1 1 255 1 2", "must end after its pixels; got 1 bytes more");
  refuses_bytes("P2 1 1 9 10", "must hold pixels up to its largest value 9; got 10");
  refuses_bytes("P5 1 1 9\nx", "must hold pixels up to its largest value 9; got 120");
}

BOOST_AUTO_TEST_CASE(missing_files_and_bad_images_are_refused) {
  const TemporaryFolder folder(Medium::memory);
  refuses<DataError>(
      "[read_pgm] " + (folder / "none").string() + " must be a readable file; got no such file",
      [&] { data::read_pgm(folder / "none"); });
  refuses<ShapeError>(
      "[write_pgm] an image must be (height, width) with a pixel at least; got (2, 3, 1)", [&] {
        data::write_pgm(folder / "a", small_image().reshaped({2, 3, 1}));
      });
  refuses<DataError>("[write_pgm] /dev/full must be writable; got No space left on device",
                     [&] { data::write_pgm("/dev/full", small_image()); });
}

BOOST_AUTO_TEST_SUITE_END()
