#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/allocator.hpp>
#include <lamina/data/idx.hpp>
#include <random>
#include <string>

#include "support/files.hpp"
#include "support/gzip.hpp"
#include "support/refusal.hpp"

using namespace lamina;
using namespace lamina::test;
using namespace std::string_literals;

namespace {

// Shape (2, 3) with elements 1, 2, 3, 253, 254, 255.
const std::string kSmall =
    "\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03\x01\x02\x03\xfd\xfe\xff"s;
const Tensor<std::uint8_t>& small_tensor() {
  static const Tensor<std::uint8_t> tensor({2, 3}, {1, 2, 3, 253, 254, 255});
  return tensor;
}

std::string header(unsigned char type, const std::vector<std::uint32_t>& extents) {
  std::string bytes{'\0', '\0', static_cast<char>(type), static_cast<char>(extents.size())};
  for (const std::uint32_t extent : extents) {
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(extent >> shift & 255);
  }
  return bytes;
}

// Writes the bytes, reads them and expects the refusal; FILE in the text stands for the path.
void refuses_bytes(const std::string& bytes, const std::string& text) {
  const TemporaryFolder folder(Medium::memory);
  const auto path = folder / "bad.idx";
  write_bytes(path, bytes);
  refuses<DataError>("[read_idx] " + path.string() + " " + text, [&] { data::read_idx(path); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(idx_files)

BOOST_AUTO_TEST_CASE(plain_and_packed_files_are_read) {
  const TemporaryFolder folder(Medium::memory);
  write_bytes(folder / "plain", kSmall);
  write_bytes(folder / "packed", gzip(kSmall));
  write_bytes(folder / "members", gzip(kSmall.substr(0, 7)) + gzip("") + gzip(kSmall.substr(7)));
  for (const char* name : {"plain", "packed", "members"}) {
    BOOST_TEST(identical(data::read_idx(folder / name), small_tensor()), name);
  }
}

BOOST_AUTO_TEST_CASE(every_rank_is_read_and_written) {
  const TemporaryFolder folder(Medium::memory);
  std::vector<std::int64_t> extents;
  for (const std::int64_t extent : {2, 3, 1, 2, 1, 5, 1, 2}) {
    extents.push_back(extent);
    auto tensor =
        Tensor<std::uint8_t>::uninitialized(Shape(std::span<const std::int64_t>(extents)));
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      tensor.mutable_data()[i] = static_cast<std::uint8_t>(7 * i + 3);
    }
    const auto path = folder / std::to_string(extents.size());
    data::write_idx(path, tensor);
    BOOST_TEST(identical(data::read_idx(path), tensor));
    write_bytes(path, gzip(read_bytes(path)));
    BOOST_TEST(identical(data::read_idx(path), tensor));
  }
}

BOOST_AUTO_TEST_CASE(written_bytes_are_those_of_the_format) {
  const TemporaryFolder folder(Medium::memory);
  data::write_idx(folder / "a", small_tensor());
  BOOST_TEST(read_bytes(folder / "a") == kSmall);
  const Tensor<std::uint8_t> large(Shape{66051}, 9);  // 0x00010203
  data::write_idx(folder / "b", large);
  BOOST_TEST(read_bytes(folder / "b").substr(0, 8) == "\x00\x00\x08\x01\x00\x01\x02\x03"s);
  BOOST_TEST(identical(data::read_idx(folder / "b"), large));
}

BOOST_AUTO_TEST_CASE(extents_of_zero_are_read) {
  const TemporaryFolder folder(Medium::memory);
  write_bytes(folder / "empty", header(8, {0, 28, 28}));
  BOOST_TEST(data::read_idx(folder / "empty").shape().to_string() == "(0, 28, 28)");
}

BOOST_AUTO_TEST_CASE(files_that_are_none_are_refused) {
  const TemporaryFolder folder(Medium::memory);
  const std::string name = (folder / "missing").string();
  refuses<DataError>("[read_idx] " + name + " must be a readable file; got no such file",
                     [&] { data::read_idx(folder / "missing"); });
  refuses<DataError>(
      "[read_idx] " + folder.path().string() + " must be a readable file; got a folder",
      [&] { data::read_idx(folder.path()); });
  BOOST_REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  refuses<DataError>(
      "[read_idx] " + (folder / "pipe").string() + " must be a readable file; got no regular file",
      [&] { data::read_idx(folder / "pipe"); });
  refuses<DataError>("[read_idx] /dev/zero must be a readable file; got no regular file",
                     [&] { data::read_idx("/dev/zero"); });
  refuses<DataError>("[read_idx] '' must be a readable file; got no such file",
                     [&] { data::read_idx(""); });
}

BOOST_AUTO_TEST_CASE(wrong_headers_are_refused) {
  refuses_bytes("", "must hold a whole IDX header; got only 0 of 4 bytes of it");
  refuses_bytes("\0\0\x08"s, "must hold a whole IDX header; got only 3 of 4 bytes of it");
  refuses_bytes(kSmall.substr(0, 11), "must hold a whole IDX header; got only 7 of 8 bytes of it");
  refuses_bytes("GIF89a.......", "must begin with the IDX magic 0x000008..; got 0x47494638");
  refuses_bytes("\0\1\x08\1\0\0\0\0"s, "must begin with the IDX magic 0x000008..; got 0x00010801");
  refuses_bytes(header(0x0d, {1}) + "\0\0\0\0"s,
                "must hold unsigned bytes, IDX type 0x08; got type 0x0d");
  refuses_bytes("\0\0\x08\0"s, "must have 1 to 8 axes; got 0");
  refuses_bytes(header(8, std::vector<std::uint32_t>(9, 1)), "must have 1 to 8 axes; got 9");
  refuses_bytes(header(8, {0xffffffff, 0xffffffff, 2}),
                "must hold as many elements as 63 bits can count; got extents "
                "0xffffffffffffffff00000002");
}

BOOST_AUTO_TEST_CASE(wrong_counts_are_refused) {
  refuses_bytes(kSmall.substr(0, 17),
                "must have the size that its header tells; got 17 bytes, expected 18 for shape "
                "(2, 3)");
  refuses_bytes(kSmall + "x",
                "must have the size that its header tells; got 19 bytes, expected 18 for shape "
                "(2, 3)");
  refuses_bytes(gzip(kSmall.substr(0, 17)),
                "must hold what its header tells; got 5 elements, expected 6 for shape (2, 3)");
  refuses_bytes(gzip(kSmall + "x"),
                "must end after its elements; got more than the 6 of shape (2, 3)");
}

BOOST_AUTO_TEST_CASE(damaged_gzip_is_refused) {
  const std::string packed = gzip(kSmall);
  refuses_bytes(packed.substr(0, packed.size() - 1),
                "must be an intact gzip file; got: the stream is cut short");
  refuses_bytes(packed + "rubbish", "must be an intact gzip file; got: incorrect header check");
  std::string damaged = packed;
  damaged[damaged.size() - 8] = static_cast<char>(damaged[damaged.size() - 8] ^ 1);
  refuses_bytes(damaged, "must be an intact gzip file; got: incorrect data check");
  damaged = packed;
  damaged[damaged.size() - 1] = static_cast<char>(damaged[damaged.size() - 1] ^ 1);
  refuses_bytes(damaged, "must be an intact gzip file; got: incorrect length check");
  refuses_bytes("\x1f\x8b", "must be an intact gzip file; got: the stream is cut short");
}

// A header may promise terabytes: nothing is allocated that the file cannot hold.
BOOST_AUTO_TEST_CASE(promises_that_the_file_cannot_keep_take_no_memory) {
  const TemporaryFolder folder(Medium::memory);
  const auto before = memory_counters().peak_bytes;
  for (const auto& extents : std::vector<std::vector<std::uint32_t>>{
           {0xffffffff}, {0x7fffffff, 0x7fffffff}, {60000, 2800, 28}}) {
    const std::string bytes = header(8, extents) + std::string(100, '\0');
    for (const std::string& file : {bytes, gzip(bytes)}) {
      write_bytes(folder / "bomb", file);
      BOOST_CHECK_THROW(data::read_idx(folder / "bomb"), DataError);
    }
  }
  BOOST_TEST(memory_counters().peak_bytes == before);
  refuses_bytes(gzip(header(8, {60000, 28, 28})),
                "must hold what its header tells; got a gzip file too small for 47040016 bytes, "
                "shape (60000, 28, 28)");
}

// 64 MiB of zeros behind a small array: reading stops behind the array.
BOOST_AUTO_TEST_CASE(decompression_stops_behind_what_the_header_promises) {
  const TemporaryFolder folder(Medium::memory);
  write_bytes(folder / "bomb", gzip(kSmall + std::string(std::size_t{64} << 20, '\0')));
  const auto before = memory_counters().peak_bytes;
  BOOST_CHECK_THROW(data::read_idx(folder / "bomb"), DataError);
  BOOST_TEST(memory_counters().peak_bytes <= before + 4096);
}

BOOST_AUTO_TEST_CASE(random_bytes_behind_a_good_beginning_are_answered) {
  const TemporaryFolder folder(Medium::memory);
  std::mt19937 engine(7);
  int accepted = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    std::string bytes = trial % 2 ? "\x1f\x8b\x08\0"s : "\0\0\x08\1\0\0\0"s;
    const std::size_t size = bytes.size() + engine() % 40;
    while (bytes.size() < size) bytes += static_cast<char>(engine() % (trial % 3 ? 256 : 32));
    write_bytes(folder / "random", bytes);
    accepted += succeeds_or_refuses<DataError>("trial " + std::to_string(trial),
                                               [&] { data::read_idx(folder / "random"); });
  }
  BOOST_TEST(accepted < 100);
}

BOOST_AUTO_TEST_CASE(tensors_that_do_not_fit_the_format_are_refused) {
  const TemporaryFolder folder(Medium::memory);
  refuses<ArgumentError>("[write_idx] the tensor must have 1 to 8 axes; got shape ()",
                         [&] { data::write_idx(folder / "a", Tensor<std::uint8_t>::scalar(1)); });
  const Tensor<std::uint8_t> wide(Shape{0, std::int64_t{1} << 32}, 0);
  refuses<ArgumentError>("[write_idx] extents must fit in 32 bits; got (0, 4294967296)",
                         [&] { data::write_idx(folder / "a", wide); });
  refuses<DataError>("[write_idx] /dev/full must be writable; got No space left on device",
                     [&] { data::write_idx("/dev/full", small_tensor()); });
  refuses<DataError>("[write_idx] " + (folder / "none/a").string() +
                         " must be writable; got No such file or directory",
                     [&] { data::write_idx(folder / "none/a", small_tensor()); });
}

BOOST_AUTO_TEST_CASE(two_files_make_a_data_set) {
  const TemporaryFolder folder(Medium::memory);
  Tensor<std::uint8_t> images(Shape{3, 2, 5}, 0);
  images.set({2, 1, 4}, 51);
  data::write_idx(folder / "images", images);
  data::write_idx(folder / "labels", Tensor<std::uint8_t>({3}, {7, 0, 200}));
  const Dataset dataset = data::idx_dataset(folder / "images", folder / "labels");
  BOOST_TEST(dataset.size() == 3);
  BOOST_TEST(dataset.example_shape().to_string() == "(2, 5, 1)");
  BOOST_TEST(identical(dataset.labels(), Tensor<std::int64_t>({3}, {7, 0, 200})));
  BOOST_TEST(dataset.batch<float>(2, 3).features.at({0, 1, 4, 0}) == 0.2f);
}

BOOST_AUTO_TEST_CASE(files_that_do_not_belong_together_are_refused) {
  const TemporaryFolder folder(Medium::memory);
  const auto images = folder / "images", labels = folder / "labels";
  const auto load = [&] { data::idx_dataset(images, labels); };
  data::write_idx(images, Tensor<std::uint8_t>(Shape{3, 10}, 0));
  data::write_idx(labels, Tensor<std::uint8_t>(Shape{2}, 0));
  refuses<DataError>(
      "[idx_dataset] " + images.string() + " must hold images (N, height, width); got (3, 10)",
      load);
  data::write_idx(images, Tensor<std::uint8_t>(Shape{3, 2, 5}, 0));
  refuses<DataError>(
      "[idx_dataset] " + labels.string() + " must hold one label per image; got 2, expected 3",
      load);
  data::write_idx(labels, Tensor<std::uint8_t>(Shape{3, 1}, 0));
  refuses<DataError>(
      "[idx_dataset] " + labels.string() + " must hold one axis of labels; got (3, 1)", load);
  data::write_idx(images, Tensor<std::uint8_t>(Shape{0, 2, 5}, 0));
  data::write_idx(labels, Tensor<std::uint8_t>(Shape{0}, 0));
  refuses<DataError>(
      "[dataset] a data set must hold at least one example; got features (0, 2, 5, 1)", load);
}

BOOST_AUTO_TEST_SUITE_END()
