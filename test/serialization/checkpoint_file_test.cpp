// Looking into files, and reading single values of them.
#include <boost/test/unit_test.hpp>
#include <lamina/serialization/checkpoint_file.hpp>
#include <lamina/serialization/generations.hpp>
#include <lamina/serialization/model_file.hpp>
#include <serialization/fake_file_system.hpp>
#include <serialization/small_network.hpp>
#include <support/allocation_counter.hpp>
#include <support/files.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

StateDict mixed_state() {
  StateDict state;
  state.add("a", Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  state.add("b", Tensor<double>({3}, {-1, 0, 1}));
  state.add("c", Tensor<std::int64_t>({}, {7}));
  state.add("d", Tensor<std::uint8_t>({0, 5}, std::uint8_t{0}));
  state.add("e", Tensor<std::uint8_t>({1}, {9}));
  state.add("n", std::int64_t{-3});
  state.add("x", 0.1);
  state.add("z", "caf\u00e9");
  return state;
}

FakeFileSystem holding(const StateDict& state) {
  FakeFileSystem files;
  save_state("file", state, files);
  files.reset();
  return files;
}

std::int64_t reads(const FakeFileSystem& files) {
  return std::count(files.operations.begin(), files.operations.end(), "read");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint_file)

BOOST_AUTO_TEST_CASE(what_a_file_holds_is_listed_in_order) {
  FakeFileSystem files = holding(mixed_state());
  const CheckpointFile file("file", files);
  BOOST_TEST(file.path() == "file");
  BOOST_TEST(file.size() == files.files.at("file").size());
  BOOST_TEST(!file.library_version().empty());
  BOOST_TEST(!file.has_architecture());
  BOOST_TEST(file.architecture().empty());
  std::string names;
  for (const auto& tensor : file.tensors()) names += tensor.name;
  BOOST_TEST(names == "abcde");
  const CheckpointFile::TensorInfo& a = file.tensors()[0];
  BOOST_TEST((a.dtype == DType::float32 && a.shape == Shape{2, 3}));
  BOOST_TEST(a.bytes == 24u);
  BOOST_TEST(a.offset % 64 == 0u);
  BOOST_TEST(file.tensors()[1].offset == a.offset + 64);
  BOOST_TEST(file.values().size() == 3);
  BOOST_TEST(std::get<std::int64_t>(*file.values().find("n")) == -3);
  BOOST_TEST((file.contains("a") && file.contains("z") && !file.contains("f")));
}

BOOST_AUTO_TEST_CASE(every_value_is_read_by_its_name) {
  const StateDict state = mixed_state();
  FakeFileSystem files = holding(state);
  const CheckpointFile file("file", files);
  StateDict again;
  for (const auto& [name, value] : state) again.add(name, file.read(name));
  BOOST_TEST((identical(state, again)));
  BOOST_TEST((identical(state, read_state("file", files))));
  BOOST_TEST((identical(file.tensor<double>("b"), Tensor<double>({3}, {-1, 0, 1}))));
  file.verify();
}

// Opening reads header, manifest and the zeros after it; a tensor takes one more read.
BOOST_AUTO_TEST_CASE(one_tensor_is_read_without_the_rest) {
  StateDict state;
  state.add("large", Tensor<float>({1 << 20}, 1.0f));
  state.add("small", Tensor<float>({5}, 2.0f));
  FakeFileSystem files = holding(state);
  const CheckpointFile file("file", files);
  const std::int64_t opening = reads(files);
  start_peak();
  const auto small = file.tensor<float>("small");
  if (counts_allocations()) BOOST_TEST(peak_bytes() < 10000);
  BOOST_TEST(small.at({4}) == 2.0f);
  BOOST_TEST(reads(files) == opening + 1);
  files.files.at("file")[file.tensors()[0].offset] ^= 1;  // damage elsewhere does not matter
  file.tensor<float>("small");
  start_peak();
  BOOST_CHECK_THROW(file.verify(), CheckpointError);
  if (counts_allocations()) BOOST_TEST(peak_bytes() < 300000);
}

BOOST_AUTO_TEST_CASE(every_damaged_byte_is_found_by_verify) {
  FakeFileSystem files = holding(mixed_state());
  const std::string bytes = files.files.at("file");
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    files.files.at("file") = bytes;
    files.files.at("file")[at] ^= 0x10;
    const bool passed = succeeds_or_refuses<CheckpointError>(
        "verify", [&] { CheckpointFile("file", files).verify(); });
    BOOST_REQUIRE(!passed);
  }
}

BOOST_AUTO_TEST_CASE(views_are_the_files_bytes) {
  const TemporaryFolder folder;
  const std::string path = (folder / "file").string();
  save_state(path, mixed_state());
  const CheckpointFile opened(path);
  CheckpointFile file(path);
  file = CheckpointFile(path);  // may be moved
  const std::span<const float> a = file.view<float>("a");
  BOOST_TEST(a == (std::vector<float>{1, 2, 3, 4, 5, 6}), boost::test_tools::per_element());
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0u);
  BOOST_TEST(file.view<float>("a").data() == a.data());
  BOOST_TEST(file.view<std::int64_t>("c")[0] == 7);
  BOOST_TEST(file.view<std::uint8_t>("d").empty());

  std::string bytes = read_bytes(path);
  bytes[file.tensors()[1].offset] ^= 1;
  write_bytes(path, bytes);
  const CheckpointFile damaged(path);
  damaged.view<float>("a");
  const std::string begin = std::to_string(file.tensors()[1].offset);
  const std::string end = std::to_string(file.tensors()[1].offset + 23);
  refuses<CheckpointError>("[checkpoint_file] '" + path + "' must hold 'b' (bytes " + begin +
                               " to " + end + ") as its checksum says; got damaged data",
                           [&] { damaged.view<double>("b"); });
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_named) {
  FakeFileSystem files = holding(mixed_state());
  const CheckpointFile file("file", files);
  refuses<CheckpointError>("[checkpoint_file] 'file' must hold a tensor 'q'; got none of that name",
                           [&] { file.read("q"); });
  refuses<CheckpointError>(
      "[checkpoint_file] 'file' must hold a tensor 'n'; got a value of that name that is no tensor",
      [&] { file.tensor<float>("n"); });
  refuses<CheckpointError>("[checkpoint_file] 'file' must hold 'b' as float32; got float64",
                           [&] { file.tensor<float>("b"); });
  refuses<CheckpointError>("[checkpoint_file] 'file' must hold 'a' as float64; got float32",
                           [&] { file.view<double>("a"); });
  files.reset();
  files.fail_at = 0;
  refuses<CheckpointError>(
      "[checkpoint_file] 'file' must be a file that can be mapped into memory; got "
      "'Input/output error' from map",
      [&] { file.view<float>("a"); });
  refuses<CheckpointError>(
      "[checkpoint_file] 'none' must be a readable file; got 'No such file or directory' from open",
      [&] { CheckpointFile("none", files); });
}

// A file system without mappings says so.
BOOST_AUTO_TEST_CASE(mapping_is_optional_for_file_systems) {
  struct Plain : ReadableFile {
    std::uint64_t size() const override { return 0; }
    std::size_t read(std::uint64_t, std::span<std::byte>) override { return 0; }
  };
  BOOST_CHECK_EXCEPTION(Plain().mapped(), std::system_error, [](const std::system_error& error) {
    return error.code() == std::errc::not_supported;
  });
}

BOOST_AUTO_TEST_CASE(metadata_and_architecture) {
  FakeFileSystem files;
  Run<float> run;
  run.train(1);
  const std::map<std::string, std::string> metadata{{"data set", "digits"}, {"note", ""}};
  save_checkpoint("plain", CheckpointParts<float>{run.net, nullptr, nullptr, metadata}, files);
  BOOST_TEST((CheckpointFile("plain", files).metadata() == metadata));
  load_checkpoint("plain", CheckpointParts<float>{run.net}, files);

  save_model("model", run.net, {.metadata = metadata}, files);
  const CheckpointFile model("model", files);
  BOOST_TEST((model.metadata() == metadata));
  BOOST_TEST(model.has_architecture());
  BOOST_TEST(model.architecture()[0].path.empty());
  BOOST_TEST(model.architecture()[0].type == "sequential");
  BOOST_TEST(model.architecture()[1].type == "linear");

  save_model("model", run.net, files);
  BOOST_TEST(CheckpointFile("model", files).metadata().empty());
  refuses<ArgumentError>(
      "[save_checkpoint] a key of metadata must be 1 to 247 bytes of UTF-8 without control "
      "characters; got ''",
      [&] {
        save_checkpoint("plain", CheckpointParts<float>{run.net, nullptr, nullptr, {{"", "x"}}},
                        files);
      });
  refuses<ArgumentError>(
      "[save_model] metadata must be at most 16777216 bytes each; got 16777217 under 'k'", [&] {
        save_model("model", run.net, {.metadata = {{"k", std::string((1 << 24) + 1, 'x')}}}, files);
      });
}

BOOST_AUTO_TEST_SUITE_END()
