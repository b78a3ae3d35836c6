// Files take their own size in memory and little more: large ones, and such as list very much in
// very few bytes. The extents of large tensors fill a size class of the allocator, which would
// round others up, by a quarter at most.
#include <boost/test/unit_test.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/npy.hpp>
#include <lamina/data/idx.hpp>
#include <lamina/data/pgm.hpp>
#include <lamina/serialization/checkpoint.hpp>
#include <lamina/serialization/checkpoint_file.hpp>
#include <lamina/serialization/detail/crc32c.hpp>
#include <lamina/serialization/detail/header.hpp>
#include <lamina/serialization/detail/zip_directory.hpp>
#include <lamina/serialization/generations.hpp>
#include <lamina/serialization/model_file.hpp>
#include <lamina/serialization/npz.hpp>
#include <lamina/serialization/partial_load.hpp>
#include <lamina/serialization/safetensors.hpp>
#include <random>

#include "fuzz/checkpoint_bytes.hpp"
#include "serialization/small_network.hpp"
#include "support/allocation_counter.hpp"
#include "support/files.hpp"
#include "support/gzip.hpp"
#include "support/hostile_reader.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

// What a table of all values takes for each of them, where a call returns one.
constexpr std::size_t kTableBytes = 512;

// The prefix and four letters, ascending with the number.
std::string numbered(const std::string& prefix, int number) {
  std::string name = prefix + "aaaa";
  for (auto digit = name.rbegin(); number > 0; number /= 26, ++digit) {
    *digit = static_cast<char>('a' + number % 26);
  }
  return name;
}

std::string checkpoint_with(const detail::Manifest& manifest) {
  const std::string text = detail::encode_manifest(manifest);
  const std::uint64_t size = detail::aligned(detail::kHeaderBytes + text.size());
  const auto header =
      detail::encode_header({.file_size = size,
                             .manifest_size = text.size(),
                             .data_offset = size,
                             .data_size = 0,
                             .manifest_checksum = detail::crc32c(std::as_bytes(std::span(text)))});
  std::string file(reinterpret_cast<const char*>(header.data()), header.size());
  file += text;
  file.resize(size, '\0');
  return file;
}

// Half of them tensors without elements, half integers.
std::string checkpoint_of_tiny_values(const std::string& prefix, int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(numbered(prefix, i));
  detail::Manifest manifest;
  for (int i = 0; i < count / 2; ++i) {
    manifest.tensors.push_back({.name = names[static_cast<std::size_t>(i)], .shape = {0}});
  }
  for (int i = count / 2; i < count; ++i) {
    manifest.values.push_back({names[static_cast<std::size_t>(i)], std::int64_t{i}});
  }
  return checkpoint_with(manifest);
}

Sequential<float> small_net() {
  Sequential<float> net;
  net.add(Linear<float>({.units = 2}));
  Tape<float> tape;
  Rng rng(1);
  net(Tensor<float>({1, 3}, 0.5f), Context<float>::for_training(tape, rng));
  return net;
}

std::string safetensors_with(const std::string& header) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(std::uint64_t{header.size()} >> (8 * i));
  return file + header;
}

bool loads_safetensors(const std::string& header, std::size_t values) {
  FakeFileSystem files = folder_with(safetensors_with(header));
  return accepts<CheckpointError>(files.files.at(kPath).size() + values * kTableBytes,
                                  [&] { load_safetensors(kPath, files); });
}

}  // namespace

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

// A table of the entries would take over ten times the bytes of these.
BOOST_AUTO_TEST_CASE(a_checkpoint_of_very_many_tiny_values_is_opened_as_its_bytes) {
  FakeFileSystem files = folder_with(checkpoint_of_tiny_values("", 200'000));
  const std::size_t size = files.files.at(kPath).size();
  BOOST_TEST(size > std::size_t{6'000'000});
  BOOST_TEST(accepts<CheckpointError>(size, [&] {
    const CheckpointFile file(kPath, files);
    file.verify();
    BOOST_TEST(std::get<std::int64_t>(file.read(numbered("", 123'456))) == 123'456);
    BOOST_TEST(file.tensor<float>(numbered("", 78'901)).size() == 0);
    BOOST_TEST((!file.contains("aaa") && !file.contains("zzzz") && !file.contains("eeeee")));
    BOOST_TEST(file.metadata().empty());
  }));
  const std::size_t table = 200'000 * kTableBytes;
  BOOST_TEST(accepts<CheckpointError>(size + table, [&] { read_state(kPath, files); }));
  BOOST_TEST(accepts<CheckpointError>(size + table, [&] {
    const CheckpointFile file(kPath, files);
    BOOST_TEST(file.tensors().size() + static_cast<std::size_t>(file.values().size()) == 200'000u);
  }));
}

BOOST_AUTO_TEST_CASE(what_a_network_has_no_place_for_takes_no_memory) {
  const std::string bytes = checkpoint_of_tiny_values("model/", 200'000);
  FakeFileSystem files = folder_with(bytes);
  Sequential<float> net = small_net();
  const StateDict before = state_of(net);
  const auto refused = [&](const auto& load) {
    BOOST_TEST(!accepts<CheckpointError>(bytes.size(), load));
    BOOST_TEST(identical(state_of(net), before));
  };
  refused([&] { load_checkpoint<float>(kPath, {net}, files); });
  refused([&] { load_checkpoint(kPath, net, LoadOptions{}, files); });
  refused([&] { load_model<float>(kPath, {}, files); });
  files.folders.insert("folder");
  files.files["folder/checkpoint-0000000001.lamina"] = bytes;
  refused([&] { load_latest<float>("folder", {net}, {.file_system = &files}); });
  BOOST_TEST(accepts<CheckpointError>(bytes.size(), [&] {
    load_checkpoint(kPath, net, LoadOptions{.strict = false, .only = "linear*"}, files);
  }));
}

BOOST_AUTO_TEST_CASE(a_long_list_of_differences_ends_with_a_number) {
  FakeFileSystem files = folder_with(checkpoint_of_tiny_values("model/", 2000));
  Sequential<float> net = small_net();
  BOOST_CHECK_EXCEPTION(
      load_checkpoint<float>(kPath, {net}, files), CheckpointError, [](const CheckpointError& e) {
        const std::string text = e.what();
        BOOST_TEST_INFO(text.substr(0, 200) << "..." << text.substr(text.size() - 200));
        return text.size() < 40'000 && text.find("2002 differences:") != std::string::npos &&
               text.find("\n  unexpected: aaaa, float32 (0)\n") != std::string::npos &&
               text.find("\n  and ") != std::string::npos && text.ends_with(" more");
      });
}

BOOST_AUTO_TEST_CASE(safetensors_of_very_many_tiny_tensors) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    header += (i ? ",\"" : "\"") + numbered("", i) +
              R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  BOOST_TEST(loads_safetensors(header + "}", 100'000));

  std::string metadata = R"({"__metadata__":{"":"")";
  for (int i = 0; i < 100'000; ++i) metadata += ",\"" + numbered("", i) + "\":\"\"";
  BOOST_TEST(loads_safetensors(metadata + "}}", 100'000));
}

// The parser keeps it, twice, in buffers that double, and hands it on.
BOOST_AUTO_TEST_CASE(a_long_text_in_safetensors_is_there_six_times) {
  const std::string header =
      R"({"__metadata__":{"lamina.text.a":")" + std::string(7'900'000, 'x') + "\"}}";
  FakeFileSystem files = folder_with(safetensors_with(header));
  BOOST_TEST(accepts<CheckpointError>(6 * header.size(), [&] { load_safetensors(kPath, files); }));
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_not_followed) {
  std::string objects, lists;
  for (int i = 0; i < 200'000; ++i) {
    objects += "{\"a\":";
    lists += '[';
  }
  BOOST_TEST(!loads_safetensors(objects, 0));
  BOOST_TEST(!loads_safetensors("{\"a\":{\"shape\":" + lists, 0));
  BOOST_TEST(!loads_safetensors("{\"a\":" + lists, 0));
}

BOOST_AUTO_TEST_CASE(an_npz_of_very_many_tiny_members) {
  StateDict state;
  for (int i = 0; i < 65'000; ++i) state.add(numbered("", i), Tensor<std::uint8_t>(Shape{0}, 0));
  for (const bool compress : {false, true}) {
    FakeFileSystem files = folder_with(saved_by(
        [&](FileSystem& folder) { save_npz(kPath, state, {.compress = compress}, folder); }));
    BOOST_TEST(accepts<CheckpointError>(files.files.at(kPath).size() + 65'000 * kTableBytes,
                                        [&] { load_npz(kPath, files); }));
  }
}

// They stand in the directory alone, and a copy would take their bytes once more.
BOOST_AUTO_TEST_CASE(an_npz_with_long_comments) {
  std::string bytes;
  std::vector<detail::ZipMember> members;
  for (int i = 0; i < 100; ++i) {
    detail::ZipMember member{.name = numbered("", i) + ".npy",
                             .comment = std::string(60'000, 'c'),
                             .offset = bytes.size()};
    bytes += detail::zip_local_header(member);
    members.push_back(std::move(member));
  }
  bytes += detail::zip_directory(members, bytes.size());
  FakeFileSystem files = folder_with(bytes);
  BOOST_TEST(!accepts<CheckpointError>(bytes.size(), [&] { load_npz(kPath, files); }));
}

BOOST_AUTO_TEST_CASE(an_npy_whose_header_is_one_long_shape) {
  std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (";
  while (header.size() < 65'000) header += "1,";
  header += "), }";
  std::string file("\x93NUMPY\x02\0", 8);
  for (int i = 0; i < 4; ++i) file += static_cast<char>(header.size() >> (8 * i));
  const TemporaryFolder folder(Medium::memory);
  write_bytes(folder / "file", file + header + "x");
  BOOST_TEST(!accepts<DataError>(file.size() + header.size() + 1,
                                 [&] { read_npy<std::uint8_t>(folder / "file"); }));
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
