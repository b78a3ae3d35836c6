// Every small damage of a file, and every small change by somebody who recomputes the checksums: a
// reader answers with the original, or (after recomputing) something else that is whole, or a
// CheckpointError; and takes no more memory than the file has bytes, and 1 MiB.
#include <array>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <lamina/serialization/detail/architecture.hpp>
#include <lamina/serialization/detail/container.hpp>
#include <lamina/serialization/detail/crc32c.hpp>
#include <lamina/serialization/model_file.hpp>
#include <limits>
#include <random>
#include <serialization/fake_file_system.hpp>
#include <serialization/small_network.hpp>
#include <support/allocation_counter.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

const detail::FileTask kTask{.who = "load", .path = "file"};

// All kinds of values, in few bytes.
StateDict small_state() {
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

std::vector<detail::ModuleRecord> small_architecture() {
  Sequential<float> net;
  net.add(Linear<float>({.units = 3, .kernel_initializer = constant(0.5), .integers = {1, -2}}));
  return detail::describe_architecture(net, kTask);
}

std::string contained(const StateDict& state, const std::vector<detail::ModuleRecord>& modules) {
  FakeFileSystem files;
  detail::atomic_save(files, kTask,
                      [&](detail::Sink& sink) { detail::write_container(sink, state, modules); });
  return files.files.at("file");
}

std::string original() { return contained(small_state(), small_architecture()); }

struct Content {
  StateDict state;
  detail::Manifest manifest;
};

Content read(FakeFileSystem& files) {
  detail::ContainerReader reader(files, kTask);
  return {reader.read(""), reader.manifest()};
}

// Makes sizes and checksums of header and manifest fit the bytes again.
void reseal(std::string& bytes) {
  if (bytes.size() < 64) return;
  const auto put = [&](std::size_t at, auto value) {
    std::memcpy(&bytes[at], &value, sizeof value);
  };
  std::uint64_t manifest_size = 0;
  std::memcpy(&manifest_size, &bytes[24], 8);
  if (manifest_size > bytes.size() - 64) manifest_size = (bytes.size() - 64) / 2;
  const std::uint64_t data_offset = detail::aligned(64 + manifest_size);
  if (bytes.size() < data_offset) bytes.resize(data_offset);
  for (std::size_t i = 64 + manifest_size; i < data_offset; ++i) bytes[i] = 0;
  const auto all = std::as_bytes(std::span(bytes));
  std::memcpy(bytes.data(), original().data(), 16);
  put(16, std::uint64_t{bytes.size()});
  put(24, manifest_size);
  put(32, data_offset);
  put(40, std::uint64_t{bytes.size()} - data_offset);
  put(48, std::uint32_t{0});
  put(52, detail::crc32c(all.subspan(64, manifest_size)));
  put(56, std::uint32_t{0});
  put(60, detail::crc32c(all.first(60)));
}

class Attack {
 public:
  explicit Attack(bool resealed) : resealed_(resealed) {}

  int tried = 0, accepted = 0;

  void operator()(std::string bytes) {
    if (resealed_) reseal(bytes);
    const bool changed = bytes != original_;
    ++tried;
    files_.files["file"] = std::move(bytes);
    const auto size = static_cast<std::int64_t>(files_.files["file"].size());
    Content content;
    start_peak();
    const bool done =
        succeeds_or_refuses<CheckpointError>("damaged file", [&] { content = read(files_); });
    if (counts_allocations() && peak_bytes() > size + (1 << 20)) {
      BOOST_ERROR(peak_bytes() << " bytes taken for a file of " << size);
    }
    files_.operations.clear();
    if (!done || !changed) return;
    ++accepted;
    if (!resealed_) BOOST_ERROR("a damaged file was accepted");
    // What is accepted has one form only: the manifest that was read.
    const std::string manifest = detail::encode_manifest(content.manifest);
    BOOST_REQUIRE(files_.files.at("file").compare(64, manifest.size(), manifest) == 0);
  }

 private:
  bool resealed_;
  std::string original_ = original();
  FakeFileSystem files_;
};

constexpr std::array<std::uint64_t, 22> kBoundaries{0,
                                                    1,
                                                    2,
                                                    7,
                                                    8,
                                                    9,
                                                    63,
                                                    64,
                                                    65,
                                                    255,
                                                    256,
                                                    257,
                                                    65535,
                                                    65536,
                                                    0x7fffffffu,
                                                    0x80000000u,
                                                    0xffffffffu,
                                                    0x100000000u,
                                                    std::uint64_t{1} << 61,
                                                    std::uint64_t{1} << 62,
                                                    std::uint64_t{1} << 63,
                                                    ~std::uint64_t{63}};

}  // namespace

BOOST_AUTO_TEST_SUITE(damage)

BOOST_AUTO_TEST_CASE(the_original_is_read_back) {
  FakeFileSystem files;
  files.files["file"] = original();
  const Content content = read(files);
  BOOST_TEST((identical(content.state, small_state())));
  BOOST_TEST((content.manifest.architecture == small_architecture()));
  BOOST_TEST((contained(content.state, content.manifest.architecture) == original()));
}

BOOST_AUTO_TEST_CASE(cut_at_every_length_and_lengthened) {
  const std::string bytes = original();
  for (const bool resealed : {false, true}) {
    Attack attack(resealed);
    for (std::size_t length = 0; length < bytes.size(); ++length) attack(bytes.substr(0, length));
    for (const std::size_t more : {1, 63, 64, 65}) attack(bytes + std::string(more, '\0'));
    BOOST_TEST(attack.accepted == 0);
  }
}

BOOST_AUTO_TEST_CASE(every_bit_flipped) {
  const std::string bytes = original();
  for (const bool resealed : {false, true}) {
    Attack attack(resealed);
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      attack(damaged);
    }
    BOOST_TEST_MESSAGE(attack.accepted << " of " << attack.tried << " accepted");
  }
}

BOOST_AUTO_TEST_CASE(boundary_numbers_at_every_offset) {
  const std::string bytes = original();
  for (const bool resealed : {false, true}) {
    Attack attack(resealed);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const std::uint64_t number : kBoundaries) {
        const std::size_t width = number > 0xffffffffu ? 8 : 4;
        std::string damaged = bytes;
        std::memcpy(&damaged[at], &number, std::min(width, bytes.size() - at));
        attack(damaged);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(random_mutations) {
  const std::string bytes = original();
  std::mt19937_64 random(1);
  for (const bool resealed : {false, true}) {
    Attack attack(resealed);
    for (int i = 0; i < 10000; ++i) {
      std::string damaged = bytes;
      for (std::uint64_t changes = 1 + random() % 5; changes > 0 && !damaged.empty(); --changes) {
        const std::size_t at = random() % damaged.size();
        const std::size_t count = 1 + random() % 9;
        switch (random() % 5) {
          case 0:
            damaged[at] = static_cast<char>(random());
            break;
          case 1:
            damaged.erase(at, count);
            break;
          case 2:
            damaged.insert(at, count, static_cast<char>(random()));
            break;
          case 3:
            damaged.insert(at, damaged.substr(random() % damaged.size(), 8 * count));
            break;
          default:
            damaged[at] = static_cast<char>(damaged[at] + static_cast<int>(random() % 9) - 4);
        }
      }
      attack(damaged);
    }
  }
}

// Hostile numbers of items in a manifest whose checksums fit: nothing is made for them.
BOOST_AUTO_TEST_CASE(large_counts_take_no_memory) {
  for (const std::uint32_t count : {0xffffffffu, 0x7fffffffu, 100000000u, 65536u}) {
    for (std::size_t at = 64; at + 4 <= 96; at += 4) {
      std::string bytes = original();
      std::memcpy(&bytes[at], &count, 4);
      Attack{true}(bytes);
    }
  }
}

// A model file whose architecture was changed makes what its types allow, or nothing.
BOOST_AUTO_TEST_CASE(damaged_model_files) {
  Sequential<float> net;
  net.add(Linear<float>({.units = 3, .kernel_initializer = constant(0.5), .limit = 2.0}))
      .add(Residual<float>());
  Tape<float> tape;
  Rng rng(1);
  net(small_input<float>(), Context<float>::for_training(tape, rng));
  FakeFileSystem files;
  save_model("file", net, files);
  const std::string bytes = files.files.at("file");
  Registry<float> registry;
  registry.add<Linear>().add<Residual<float>>();
  int loaded = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int change : {1, 4, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ change);
      reseal(damaged);
      files.files["file"] = damaged;
      start_peak();
      loaded += succeeds_or_refuses<CheckpointError>("model", [&] {
        const ModulePointer<float> model = load_model<float>("file", registry, files);
        const Module<float>& loaded_net = *model;
        try {
          loaded_net(small_input<float>(), Context<float>::for_inference());
        } catch (const ShapeError&) {  // a changed option may not fit the values
        }
      });
      files.operations.clear();
      if (counts_allocations())
        BOOST_TEST(peak_bytes() <= static_cast<std::int64_t>(bytes.size()) + (1 << 20));
    }
  }
  BOOST_TEST(loaded > 0);
}

BOOST_AUTO_TEST_SUITE_END()
