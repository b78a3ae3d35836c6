// Whole files of some size take their own size in memory and little more. The extents fill a size
// class of the allocator, which would round others up, by a quarter at most.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/npy.hpp>
#include <lamina/data/idx.hpp>
#include <lamina/data/pgm.hpp>
#include <lamina/serialization/checkpoint.hpp>
#include <random>

#include "fuzz/checkpoint_bytes.hpp"
#include "serialization/small_network.hpp"
#include "support/allocation_counter.hpp"
#include "support/files.hpp"
#include "support/gzip.hpp"
#include "support/hostile_reader.hpp"

using namespace lamina;
using namespace lamina::test;

BOOST_AUTO_TEST_SUITE(memory)

BOOST_AUTO_TEST_CASE(large_files_of_data) {
  const TemporaryFolder folder(Medium::memory);
  const Tensor<std::uint8_t> image({2047, 2048}, 7);
  const auto path = folder / "file";
  const auto reads = [&](const auto& read) {
    BOOST_TEST(accepts<DataError>(std::filesystem::file_size(path), [&] { read(path); }));
  };
  write_npy(path, image);
  reads([](const auto& file) { read_npy<std::uint8_t>(file); });
  data::write_idx(path, image);
  reads([](const auto& file) { data::read_idx(file); });
  data::write_pgm(path, image);
  reads([](const auto& file) { data::read_pgm(file); });
}

BOOST_AUTO_TEST_CASE(a_large_checkpoint) {
  Sequential<float> net;
  net.add(Linear<float>({.units = 1024}));
  Tape<float> tape;
  Rng rng(1);
  net(Tensor<float>({1, 1023}, 0.5f), Context<float>::for_training(tape, rng));
  tape.clear();
  FakeFileSystem files = folder_with(
      saved_by([&](FileSystem& folder) { save_checkpoint<float>(kPath, {net}, folder); }));
  const std::size_t size = files.files.at(kPath).size();
  BOOST_TEST(size > std::size_t{4'000'000});
  BOOST_TEST(accepts<CheckpointError>(size, [&] { load_checkpoint<float>(kPath, {net}, files); }));
}

// Bytes that do not compress promise a thousand times their size, which deflate could hold.
BOOST_AUTO_TEST_CASE(a_packed_file_takes_what_it_holds) {
  using namespace std::string_literals;
  std::mt19937 random(1);
  std::string bytes = "\0\0\x08\x01\x08\0\0\0"s;  // 128 MiB
  for (int i = 0; i < 200'000; ++i) bytes += static_cast<char>(random());
  const TemporaryFolder folder(Medium::memory);
  write_bytes(folder / "file", gzip(bytes));
  BOOST_TEST(!accepts<DataError>(bytes.size(), [&] { data::read_idx(folder / "file"); }));
}

BOOST_AUTO_TEST_CASE(more_is_noticed) {
  if (!counts_allocations()) return;
  const auto take = [](std::size_t bytes) {
    return [bytes] { const Tensor<std::uint8_t> taken({static_cast<std::int64_t>(bytes)}, 1); };
  };
  BOOST_TEST(accepts<DataError>(1 << 20, take((7 << 18) - 4096)));
  BOOST_CHECK_THROW(accepts<DataError>(1 << 20, take((2 << 20) + 4096)), Breach);
  BOOST_CHECK_THROW(accepts<DataError>(100, take((1 << 20) + 4096)), Breach);
}

BOOST_AUTO_TEST_SUITE_END()
