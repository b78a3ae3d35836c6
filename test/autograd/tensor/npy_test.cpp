#include <boost/test/unit_test.hpp>
#include <cstring>
#include <lamina/autograd/tensor/allocator.hpp>
#include <lamina/autograd/tensor/npy.hpp>
#include <random>
#include <string>

#include "support/files.hpp"
#include "support/numbers.hpp"
#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;
using namespace std::string_literals;

namespace {

std::string version_1(const std::string& header) {
  return "\x93NUMPY\x01\0"s + static_cast<char>(header.size() & 255) +
         static_cast<char>(header.size() >> 8) + header;
}

std::string version_2(const std::string& header, char major = 2) {
  return "\x93NUMPY"s + major + '\0' + static_cast<char>(header.size() & 255) +
         static_cast<char>(header.size() >> 8) + "\0\0"s + header;
}

const Tensor<float>& small_tensor() {
  static const Tensor<float> tensor({2, 3}, {1, 2.5f, -3, 0.125f, 5, 6});
  return tensor;
}
std::string elements_of(const Tensor<float>& tensor) {
  return {reinterpret_cast<const char*>(tensor.data()), static_cast<std::size_t>(tensor.bytes())};
}
const std::string kHeader = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";

Tensor<float> read_text(const std::string& bytes) {
  const TemporaryFolder folder(Medium::memory);
  write_bytes(folder / "a.npy", bytes);
  return read_npy<float>(folder / "a.npy");
}

void refuses_bytes(const std::string& bytes, const std::string& text) {
  const TemporaryFolder folder(Medium::memory);
  const auto path = folder / "a.npy";
  write_bytes(path, bytes);
  refuses<DataError>("[read_npy] " + path.string() + " " + text, [&] { read_npy<float>(path); });
}

void refuses_header(const std::string& header, const std::string& found) {
  refuses_bytes(version_1(header) + elements_of(small_tensor()),
                "must have a header with descr, fortran_order and shape; got " + found);
}

template <Element T>
void round_trip(const Tensor<T>& tensor) {
  const TemporaryFolder folder(Medium::memory);
  write_npy(folder / "a.npy", tensor);
  const Tensor<T> again = read_npy<T>(folder / "a.npy");
  BOOST_TEST(identical(again, tensor));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(npy_files)

// The first 128 bytes are those that numpy.save writes for the same array.
BOOST_AUTO_TEST_CASE(written_bytes_are_those_of_numpy) {
  const TemporaryFolder folder(Medium::memory);
  write_npy(folder / "a.npy", small_tensor());
  const std::string header = kHeader + std::string(117 - kHeader.size(), ' ') + '\n';
  BOOST_TEST(read_bytes(folder / "a.npy") == version_1(header) + elements_of(small_tensor()));
}

BOOST_AUTO_TEST_CASE(elements_begin_at_a_multiple_of_64_bytes) {
  const TemporaryFolder folder(Medium::memory);
  for (int rank = 0; rank <= kMaxRank; ++rank) {
    for (const std::int64_t extent : {1, 10, 100}) {
      std::vector<std::int64_t> extents(static_cast<std::size_t>(rank), 1);
      if (rank > 0) extents.back() = extent;
      const Tensor<std::uint8_t> tensor(Shape(std::span<const std::int64_t>(extents)), 7);
      write_npy(folder / "a.npy", tensor);
      const std::string bytes = read_bytes(folder / "a.npy");
      BOOST_TEST((bytes.size() - static_cast<std::size_t>(tensor.size())) % 64 == 0u);
      BOOST_TEST(identical(read_npy<std::uint8_t>(folder / "a.npy"), tensor));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_type_and_shape_comes_back) {
  round_trip(random_tensor<float>({2, 3, 5}, 1));
  round_trip(random_tensor<double>({7}, 2));
  round_trip(Tensor<double>::scalar(-0.0));
  round_trip(Tensor<double>({3}, {std::nan("1"), INFINITY, 5e-324}));
  round_trip(Tensor<std::int64_t>({2, 2}, {INT64_MIN, -1, 0, INT64_MAX}));
  round_trip(Tensor<std::uint8_t>({1, 1, 3}, {0, 128, 255}));
  round_trip(Tensor<float>(Shape{0}, 0));
  round_trip(Tensor<float>(Shape{3, 0, 2}, 0));
  round_trip(random_tensor<float>({1, 2, 1, 3, 1, 2, 1, 2}, 3));
}

BOOST_AUTO_TEST_CASE(every_version_and_spelling_of_the_header_is_read) {
  const std::string elements = elements_of(small_tensor());
  for (const std::string& header :
       {kHeader, kHeader + "     \n",
        "{\"shape\":(2,3,),\"descr\":\"<f4\",\"fortran_order\":False}"s,
        " { 'fortran_order' : False , 'shape' : ( 2 , 3 ) , 'descr' : '<f4' , } "s}) {
    BOOST_TEST(identical(read_text(version_1(header) + elements), small_tensor()), header);
    BOOST_TEST(identical(read_text(version_2(header) + elements), small_tensor()), header);
    BOOST_TEST(identical(read_text(version_2(header, 3) + elements), small_tensor()), header);
  }
  const Tensor<float> vector =
      read_text(version_1("{'descr': '<f4', 'fortran_order': True, 'shape': (6,), }") + elements);
  BOOST_TEST(identical(vector, small_tensor().reshaped({6})));
}

BOOST_AUTO_TEST_CASE(files_of_another_kind_are_refused) {
  refuses_bytes("", "must hold a whole header; got its end");
  refuses_bytes("\x93NUMPY\x01"s, "must hold a whole header; got its end");
  refuses_bytes("\x93NUMPY\x01\0\x05"s, "must hold a whole header; got its end");
  refuses_bytes("\x93NUMPY\x01\0\x05\0{'de"s, "must hold a whole header; got its end");
  refuses_bytes("PK\3\4 not at all",
                "must begin with the magic of .npy files; got another beginning");
  refuses_bytes("\x93NUMPY\x04\0\0\0"s, "must have version 1.0, 2.0 or 3.0; got 4.0");
  refuses_bytes("\x93NUMPY\x01\x01\0\0"s, "must have version 1.0, 2.0 or 3.0; got 1.1");
  refuses_bytes("\x93NUMPY\x02\0\0\0\1\1"s,
                "must have a header of at most 65536 bytes; got 16842752");
  const TemporaryFolder folder(Medium::memory);
  refuses<DataError>(
      "[read_npy] " + (folder / "none").string() + " must be a readable file; got no such file",
      [&] { read_npy<float>(folder / "none"); });
}

BOOST_AUTO_TEST_CASE(other_elements_and_orders_are_refused) {
  const std::string elements = elements_of(small_tensor());
  const auto with = [&](const std::string& descr, const std::string& order) {
    return version_1("{'descr': '" + descr + "', 'fortran_order': " + order +
                     ", 'shape': (2, 3), }") +
           elements;
  };
  refuses_bytes(with("<f8", "False"),
                "must hold float32; got elements of type '<f8', expected '<f4'");
  refuses_bytes(with(">f4", "False"),
                "must hold float32; got elements of type '>f4', expected '<f4'");
  refuses_bytes(with("<f4", "True"), "must be in C order; got Fortran order");
  const TemporaryFolder folder(Medium::memory);
  write_npy(folder / "a", small_tensor());
  const std::string name = (folder / "a").string();
  refuses<DataError>(
      "[read_npy] " + name + " must hold float64; got elements of type '<f4', expected '<f8'",
      [&] { read_npy<double>(folder / "a"); });
  refuses<DataError>(
      "[read_npy] " + name + " must hold int64; got elements of type '<f4', expected '<i8'",
      [&] { read_npy<std::int64_t>(folder / "a"); });
  refuses<DataError>(
      "[read_npy] " + name + " must hold uint8; got elements of type '<f4', expected '|u1'",
      [&] { read_npy<std::uint8_t>(folder / "a"); });
}

BOOST_AUTO_TEST_CASE(malformed_headers_are_refused) {
  refuses_header("", "no '{' where it must stand");
  refuses_header("[1, 2]", "no '{' where it must stand");
  refuses_header("{}", "a dictionary without one of its keys");
  refuses_header("{'descr': '<f4', 'shape': (6,)}", "a dictionary without one of its keys");
  refuses_header(kHeader + "x", "something behind its dictionary");
  refuses_header("{'descr': '<f4', 'descr': '<f4', }", "the key 'descr'");
  refuses_header("{'other': 1}", "the key 'other'");
  refuses_header("{'\x01\xff': 1}",
                 "the key '?"
                 "?'");
  refuses_header("{'descr' '<f4'}", "no ':' where it must stand");
  refuses_header("{'descr': '<f4' 'shape': ()}", "no '}' where it must stand");
  refuses_header("{'descr': [('a', '<f4')]}", "structured elements");
  refuses_header("{'descr': 4}", "no text where one must stand");
  refuses_header("{'descr': '<f4}", "a text without end");
  refuses_header("{'descr': '" + std::string(65, 'x') + "'}", "a text without end");
  refuses_header("{'fortran_order': 0}", "neither True nor False for fortran_order");
  refuses_header("{'shape': 6}", "no '(' where it must stand");
  refuses_header("{'shape': (6)}", "a shape that is no tuple");
  refuses_header("{'shape': (2, 3}", "no ')' where it must stand");
  refuses_header("{'shape': (2,, 3)}", "no number where an extent must stand");
  refuses_header("{'shape': (-2, 3)}", "no number where an extent must stand");
  refuses_header("{'shape': (99999999999999999999,)}", "an extent of more than 63 bits");
}

BOOST_AUTO_TEST_CASE(impossible_shapes_are_refused) {
  const auto with = [](const std::string& shape) {
    return version_1("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }") +
           elements_of(small_tensor());
  };
  refuses_bytes(with("(1, 1, 1, 1, 1, 1, 1, 1, 1)"),
                "must have a shape that a tensor can have; got: a tensor must have at most 8 axes; "
                "got 9, expected 0 to 8");
  refuses_bytes(with("(4611686018427387904, 4)"),
                "must have a shape that a tensor can have; got: the number of elements must fit in "
                "63 bits; got an overflow");
  const auto before = memory_counters().peak_bytes;
  refuses_bytes(with("(4611686018427387904,)"),
                "must hold the elements of its shape (4611686018427387904); got 24 bytes behind "
                "the header");
  refuses_bytes(with("(1000000000,)"),
                "must hold the elements of its shape (1000000000); got 24 bytes behind the header");
  BOOST_TEST(memory_counters().peak_bytes == before);
  refuses_bytes(with("(2, 2)"),
                "must hold the elements of its shape (2, 2); got 24 bytes behind the header");
  refuses_bytes(with("(2, 3)") + "x",
                "must hold the elements of its shape (2, 3); got 25 bytes behind the header");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_written_is_refused) {
  const TemporaryFolder folder(Medium::memory);
  refuses<StateError>("[write_npy] the tensor must be defined; got a default-constructed one",
                      [&] { write_npy(folder / "a", Tensor<float>()); });
  BOOST_TEST(!std::filesystem::exists(folder / "a"));
  refuses<DataError>("[write_npy] /dev/full must be writable; got No space left on device",
                     [&] { write_npy("/dev/full", small_tensor()); });
}

BOOST_AUTO_TEST_CASE(random_headers_are_answered) {
  const TemporaryFolder folder(Medium::memory);
  std::mt19937 engine(11);
  const std::string pieces = "{}()'\":, 0123456789TrueFalsdcoptn_hf<4\n";
  for (int trial = 0; trial < 1000; ++trial) {
    std::string header = kHeader;
    for (std::uint32_t edits = 1 + engine() % 6; edits > 0; --edits) {
      const std::size_t at = engine() % header.size();
      const std::string piece(1, pieces[engine() % pieces.size()]);
      engine() % 2 ? header.insert(at, piece) : header.replace(at, 1, piece);
    }
    write_bytes(folder / "a", version_1(header) + elements_of(small_tensor()));
    succeeds_or_refuses<DataError>(header, [&] { read_npy<float>(folder / "a"); });
  }
}

BOOST_AUTO_TEST_SUITE_END()
