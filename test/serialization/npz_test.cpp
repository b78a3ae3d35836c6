// npz files: every kind of value comes back, numpy's files are read, and no damage is accepted as
// other data.
#include <zlib.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <lamina/serialization/npz.hpp>
#include <random>
#include <serialization/every_kind.hpp>
#include <serialization/fake_file_system.hpp>
#include <support/allocation_counter.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;
using namespace std::string_literals;

namespace {

StateDict every_kind() {
  StateDict state = every_kind_of_value();
  state.add("u", Tensor<std::uint8_t>({300}, std::uint8_t{7}));
  state.add("z", "any \xff bytes\n");
  return state;
}

std::string saved(const StateDict& state, bool compress) {
  FakeFileSystem files;
  save_npz("f", state, {.compress = compress}, files);
  BOOST_TEST(files.others("f").empty());
  return files.files["f"];
}

StateDict read(const std::string& bytes) {
  FakeFileSystem files;
  files.files["f"] = bytes;
  return load_npz("f", files);
}

void refuses_file(const std::string& bytes, const std::string& text) {
  refuses<CheckpointError>("[load_npz] 'f' must " + text, [&] { read(bytes); });
}

template <class Integer>
std::string with(std::string bytes, std::size_t at, Integer value) {
  std::memcpy(&bytes.at(at), &value, sizeof value);
  return bytes;
}

// One small member, 'a.npy': the local header at 0, its bytes at 35, the directory behind them.
std::string one_member(bool compress = false) {
  StateDict state;
  state.add("a", Tensor<float>({1}, {1.5f}));
  return saved(state, compress);
}
std::size_t directory_of(const std::string& bytes) {
  std::uint32_t offset = 0;
  std::memcpy(&offset, &bytes[bytes.size() - 6], 4);
  return offset;
}
// Writes into both headers of the one member; the field stands 16 bytes later in the directory's at
// the same distance from the CRC.
std::string with_both(std::string bytes, std::size_t local, std::size_t entry,
                      std::uint16_t value) {
  const std::size_t directory = directory_of(bytes);
  return with(with(std::move(bytes), local, value), directory + entry, value);
}
// The member's content replaced by other bytes, with the checksum and sizes that fit.
std::string with_content(const std::string& content, const std::string& name = "a.npy") {
  const std::string sample = one_member();
  std::string local = sample.substr(0, 30) + name + content;
  const std::size_t directory = directory_of(sample);
  std::string entry = sample.substr(directory, 46) + name;
  const auto checksum = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())));
  const auto size = static_cast<std::uint32_t>(content.size());
  const auto name_size = static_cast<std::uint16_t>(name.size());
  local = with(with(with(with(local, 14, checksum), 18, size), 22, size), 26, name_size);
  entry = with(with(with(with(entry, 16, checksum), 20, size), 24, size), 28, name_size);
  std::string end = sample.substr(sample.size() - 22);
  end = with(with(end, 12, static_cast<std::uint32_t>(entry.size())), 16,
             static_cast<std::uint32_t>(local.size()));
  return local + entry + end;
}

std::string golden(const std::string& name) {
  return LAMINA_SOURCE_DIR "/test/golden/interchange/" + name;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(npz)

BOOST_AUTO_TEST_CASE(every_kind_of_value_comes_back) {
  for (const bool compress : {false, true}) {
    const std::string bytes = saved(every_kind(), compress);
    BOOST_TEST(identical(read(bytes), every_kind()));
    BOOST_TEST(saved(read(bytes), compress) == bytes);
    BOOST_TEST(read(saved(StateDict(), compress)).size() == 0);
  }
  BOOST_TEST(saved(every_kind(), true).size() < saved(every_kind(), false).size());
}

BOOST_AUTO_TEST_CASE(large_tensors_go_through_in_pieces) {
  StateDict state;
  Tensor<double> large = Tensor<double>::uninitialized({300'007});
  std::mt19937_64 engine(3);
  for (double& value : large.mutable_values()) value = static_cast<double>(engine() % 1000);
  state.add("large", large);
  for (const bool compress : {false, true}) {
    BOOST_TEST(identical(read(saved(state, compress)), state));
  }
}

BOOST_AUTO_TEST_CASE(files_of_numpy_are_read) {
  for (const char* name : {"numpy.npz", "numpy_deflated.npz"}) {
    const StateDict state = load_npz(golden(name));
    BOOST_TEST(state.size() == 5);
    BOOST_TEST(identical(std::get<Tensor<float>>(*state.find("f4")),
                         Tensor<float>({2, 3}, {1, -0.0f, INFINITY, 4, 5, 6})));
    const auto& doubles = std::get<Tensor<double>>(*state.find("f8"));
    BOOST_TEST((doubles.at({0}) == -1 && std::isnan(doubles.at({1})) && doubles.at({2}) == 5e-324));
    BOOST_TEST(std::get<Tensor<std::int64_t>>(*state.find("group/i8")).item() == INT64_MIN);
    const auto& small = std::get<Tensor<std::uint8_t>>(*state.find("u1"));
    BOOST_TEST((small.shape() == Shape{3, 100}));
    for (std::int64_t i = 0; i < 300; ++i) {
      BOOST_TEST(int{small.data()[i]} == i % 7);
    }
    BOOST_TEST((std::get<Tensor<float>>(*state.find("nothing")).shape() == Shape{0, 5}));
  }
}

BOOST_AUTO_TEST_CASE(files_that_are_no_whole_zip_are_refused) {
  refuses_file("", "be a ZIP file; got no end record");
  refuses_file("PK\3\4", "be a ZIP file; got no end record");
  const std::string good = one_member();
  const std::size_t end = good.size() - 22;
  refuses_file(with(good, end + 10, std::uint16_t{0xffff}),
               "be a ZIP file below 4 GiB and of fewer than 65535 members; got ZIP64");
  refuses_file(
      with(good, end + 4, std::uint16_t{1}),
      "end with the directory of a whole ZIP file; got a record that speaks of 51 bytes at "
      "167");
  refuses_file(
      "x" + good,
      "end with the directory of a whole ZIP file; got a record that speaks of 51 bytes at "
      "167");
  refuses_file(with(with(good, end + 8, std::uint16_t{2}), end + 10, std::uint16_t{2}),
               "have a directory as long as its members need; got 51 bytes for 2");
  refuses_file(with(with(good, end + 8, std::uint16_t{0}), end + 10, std::uint16_t{0}),
               "have a directory that ends with its last member; got 51 bytes more");
  const std::size_t directory = directory_of(good);
  refuses_file(with(good, directory, 'x'), "have a directory of members; got other bytes in it");
  refuses_file(with(good, directory + 32, std::uint16_t{1}),
               "have a whole directory; got its end inside an entry");
}

BOOST_AUTO_TEST_CASE(other_features_are_refused) {
  refuses_file(with_both(one_member(), 6, 8, 0x0801),
               "have plain members; got encryption or other features in 'a.npy'");
  refuses_file(with_both(one_member(), 8, 10, 12),
               "have members that are stored or deflated; got method 12 in 'a.npy'");
  const std::string good = one_member();
  refuses_file(with(good, directory_of(good) + 24, 0xffffffffu),
               "have members below 4 GiB; got ZIP64 in 'a.npy'");
  refuses_file(with_content("x", "readme.txt"), "hold only members .npy; got 'readme.txt'");
  refuses_file(
      with_content("x", "a\n.npy"),
      "have names of 1 to 256 bytes of UTF-8 without control characters; got 2 other bytes");
}

BOOST_AUTO_TEST_CASE(local_headers_agree_with_the_directory) {
  const std::string good = one_member();
  for (const std::size_t at : {0, 6, 8, 14, 18, 22, 26, 30}) {
    std::string bytes = good;
    bytes[at] ^= 4;
    refuses_file(bytes, "have 'a.npy' at byte 0 as its directory says; got another local header");
  }
  const std::size_t directory = directory_of(good);
  refuses_file(
      with(good, directory + 42, std::uint32_t{1}),
      "have its members one after the other, without holes or overlaps; got a part at byte "
      "1, expected 0");
  refuses_file(with(with(good, 22, 131u), directory + 24, 131u),
               "have 'a.npy' whole; got two sizes of stored bytes");
}

BOOST_AUTO_TEST_CASE(members_twice_holes_and_overlaps_are_refused) {
  StateDict state;
  state.add("a", Tensor<float>({1}, {1.5f}));
  state.add("b", Tensor<float>({1}, {1.5f}));
  std::string bytes = saved(state, false);
  const std::size_t directory = directory_of(bytes), second = directory / 2;
  std::string twice = bytes;
  twice[second + 30] = twice[directory + 51 + 46] = 'a';
  refuses_file(twice, "have each member once; got 'a' twice");
  refuses_file(
      with(bytes, directory + 51 + 42, std::uint32_t{0}),
      "have its members one after the other, without holes or overlaps; got a part at byte "
      "0, expected 167");
}

BOOST_AUTO_TEST_CASE(what_is_inside_is_checked) {
  const std::string good = one_member();
  std::string bytes = good;
  bytes[164] ^= 1;
  refuses_file(bytes, "have 'a.npy' whole; got bytes that do not fit its checksum");
  const std::string content = good.substr(35, directory_of(good) - 35);
  refuses<CheckpointError>(
      "[load_npz] 'f': 'a.npy' must begin with the magic of .npy files; got another beginning",
      [&] { read(with_content("no array at all")); });
  refuses<CheckpointError>("[load_npz] 'f': 'a.npy' must hold a whole header; got its end",
                           [&] { read(with_content("\x93NUMPY")); });
  refuses_file(with_content(content + "x"),
               "have 'a.npy' with the elements of its shape (1); got 5 bytes");
  std::string other = content;
  other.replace(other.find("<f4"), 3, "<f2");
  refuses_file(with_content(other),
               "hold elements of type '<f4', '<f8', '<i8' or '|u1'; got '<f2' in 'a.npy'");
  const std::string marked =
      good.substr(0, good.size() - 22) + "number" + good.substr(good.size() - 22);
  const std::size_t directory = directory_of(good);
  refuses_file(
      with(with(marked, directory + 32, std::uint16_t{6}), marked.size() - 10, std::uint32_t{57}),
      "have members without comments, or scalars and texts marked as such; got a comment "
      "of 'a.npy' that does not fit");
  const std::string long_comment =
      good.substr(0, good.size() - 22) + std::string(256, 'c') + good.substr(good.size() - 22);
  refuses_file(with(with(long_comment, directory + 32, std::uint16_t{256}),
                    long_comment.size() - 10, std::uint32_t{51 + 256}),
               "have members without long comments; got 256 bytes of comment of 'a.npy'");
}

BOOST_AUTO_TEST_CASE(bombs_are_refused) {
  const std::string good = one_member(true);
  const std::size_t directory = directory_of(good);
  const auto sized = [&](std::uint32_t size) {
    return with(with(good, 22, size), directory + 24, size);
  };
  refuses_file(sized(0xfffffffe),
               "have 'a.npy' whole; got more bytes than its compressed ones can become");
  refuses_file(sized(133), "have 'a.npy' with the elements of its shape (1); got 5 bytes");
  // A shape that asks for more than the member holds takes no memory.
  std::string content = one_member().substr(35, 128 + 4);
  content.replace(content.find("(1,), }         "), 16, "(999999999999,)}");
  start_peak();
  refuses_file(with_content(content),
               "have 'a.npy' with the elements of its shape (999999999999); got 4 bytes");
  if (counts_allocations()) BOOST_TEST(peak_bytes() < 1 << 20);
}

BOOST_AUTO_TEST_CASE(a_deflated_member_that_goes_on_or_ends_early_is_refused) {
  // 4 GB of shape (1000) in fewer bytes: the array is full before the compressed bytes end.
  StateDict state;
  state.add("a", Tensor<std::uint8_t>({100'000}, std::uint8_t{0}));
  std::string bytes = saved(state, true);
  const std::size_t directory = directory_of(bytes);
  const std::uint32_t longer = 128 + 100'000 + 8;
  refuses_file(with(with(bytes, 22, longer), directory + 24, longer),
               "have 'a.npy' with the elements of its shape (100000); got 100008 bytes");
  std::string damaged = bytes;
  damaged[120] = static_cast<char>(damaged[120] ^ 0x55);
  BOOST_CHECK_THROW(read(damaged), CheckpointError);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_written_is_refused) {
  FakeFileSystem files;
  files.files["f"] = "former";
  files.fail_at = 2;
  refuses<CheckpointError>("[save_npz] 'f' must be written; got 'Input/output error' from write",
                           [&] { save_npz("f", every_kind(), {}, files); });
  BOOST_TEST(files.files["f"] == "former");
  BOOST_TEST(files.others("f").empty());
}

// Every cut, every bit, and random edits: an error, or the same data (dates and attributes, which
// nobody reads, may be any).
BOOST_AUTO_TEST_CASE(every_damage_is_answered) {
  const StateDict state = every_kind();
  int tried = 0, accepted = 0;
  const auto attack = [&](std::string bytes) {
    const auto size = static_cast<std::int64_t>(bytes.size());
    FakeFileSystem files;
    files.files["f"] = std::move(bytes);
    start_peak();
    ++tried;
    StateDict found;
    const bool read =
        succeeds_or_refuses<CheckpointError>("damaged", [&] { found = load_npz("f", files); });
    if (counts_allocations()) BOOST_REQUIRE(peak_bytes() <= size + (1 << 20));
    accepted += read;
    if (read && !identical(found, state)) BOOST_ERROR("damage was accepted as other data");
  };
  for (const bool compress : {false, true}) {
    const std::string original = saved(state, compress);
    for (std::size_t length = 0; length < original.size(); ++length) {
      attack(original.substr(0, length));
    }
    BOOST_TEST(accepted == 0);
    for (std::size_t at = 0; at < original.size() * 8; ++at) {
      std::string bytes = original;
      bytes[at / 8] = static_cast<char>(bytes[at / 8] ^ 1 << at % 8);
      attack(bytes);
    }
    std::mt19937 engine(7);
    const std::size_t directory = directory_of(original);
    for (int trial = 0; trial < 5000; ++trial) {
      std::string bytes = original;
      for (std::uint32_t edits = 1 + engine() % 3; edits > 0; --edits) {
        const std::size_t first = engine() % 2 ? directory : 0;
        bytes[first + engine() % (bytes.size() - first)] = static_cast<char>(engine());
      }
      attack(bytes);
    }
    BOOST_TEST(accepted > 0);
    BOOST_TEST_MESSAGE(tried << " damaged files, " << accepted << " of them the same data");
    accepted = 0;
  }
}

BOOST_AUTO_TEST_SUITE_END()
