// Power failures and killed processes: whenever it happens, the former or the new checkpoint is
// there, whole; after save returned, the new one.
#include <boost/test/unit_test.hpp>
#include <iostream>
#include <lamina/serialization/generations.hpp>
#include <serialization/crash_disk.hpp>
#include <serialization/kill_loop.hpp>
#include <serialization/small_network.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr int kSaves = 3;

// A network small enough for a file of a few sectors, of a value that tells which save it is.
Sequential<float> tiny_network(int save) {
  Sequential<float> net;
  net.add(Linear<float>({.units = 40}));
  net.parameters()[0]->assign(Tensor<float>({28, 40}, static_cast<float>(save)));
  net.parameters()[1]->assign(Tensor<float>({40}, static_cast<float>(save)));
  return net;
}

// Which save the network comes from; -1 when it is mixed.
int save_of(Module<float>& net) {
  const float first = net.parameters()[0]->value.data()[0];
  for (const auto& parameter : net.parameters()) {
    for (const float value : parameter->value.values()) {
      if (value != first) return -1;
    }
  }
  return static_cast<int>(first);
}

struct Tally {
  std::int64_t images = 0, wrong = 0;
};

// Saves three times and looks at every image after every operation. `load` returns the save that an
// image holds, 0 for none.
template <class Save, class Load>
Tally crash_everywhere(CrashDisk& disk, const Save& save, const Load& load) {
  Tally tally;
  int returned = 0;
  const auto look = [&](FakeFileSystem& image) {
    ++tally.images;
    const int found = load(image);
    if (found != returned && found != returned + 1) ++tally.wrong;
  };
  disk.after_operation = [&](const std::string&) { disk.images(look); };
  for (int n = 1; n <= kSaves; ++n) {
    auto net = tiny_network(n);
    save(net, disk);
    returned = n;
    disk.images([&](FakeFileSystem& image) {
      ++tally.images;
      if (load(image) != n) ++tally.wrong;
    });
  }
  return tally;
}

Tally crash_during_save_checkpoint(CrashDisk& disk) {
  return crash_everywhere(
      disk,
      [](Module<float>& net, FileSystem& files) {
        save_checkpoint("run/file", CheckpointParts<float>{net}, files);
      },
      [](FakeFileSystem& image) {
        if (!image.files.contains("run/file")) return 0;
        auto net = tiny_network(9);
        try {
          load_checkpoint("run/file", CheckpointParts<float>{net}, image);
        } catch (const CheckpointError&) {
          return -1;
        }
        return save_of(net);
      });
}

Tally crash_during_save_generation(CrashDisk& disk, int keep) {
  return crash_everywhere(
      disk,
      [&](Module<float>& net, FileSystem& files) {
        save_generation("run", CheckpointParts<float>{net}, {.keep = keep, .file_system = &files});
      },
      [](FakeFileSystem& image) {
        auto net = tiny_network(9);
        const GenerationOptions options{.file_system = &image};
        if (list_generations("run", options).empty()) return 0;
        try {
          const LoadedGeneration loaded = load_latest("run", CheckpointParts<float>{net}, options);
          if (!loaded.skipped.empty()) return -1;
        } catch (const CheckpointError&) {
          return -1;
        }
        return save_of(net);
      });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(crashes)

BOOST_AUTO_TEST_CASE(power_failures_at_every_operation_of_three_saves) {
  std::int64_t images = 0;
  {
    CrashDisk disk;
    const Tally tally = crash_during_save_checkpoint(disk);
    BOOST_TEST(tally.wrong == 0);
    images += tally.images;
  }
  for (const int keep : {1, 2}) {
    CrashDisk disk;
    const Tally tally = crash_during_save_generation(disk, keep);
    BOOST_TEST(tally.wrong == 0);
    images += tally.images;
  }
  std::cout << "power failures: " << images << " images, each the former or the new checkpoint\n";
  BOOST_TEST(images >= 24000);
}

// The simulation finds what it is there to find.
BOOST_AUTO_TEST_CASE(a_disk_that_lies_is_found_out) {
  CrashDisk lying;
  lying.ignores_fsync = true;
  BOOST_TEST(crash_during_save_checkpoint(lying).wrong > 0);
  CrashDisk forgetful;
  forgetful.ignores_folder_fsync = true;
  BOOST_TEST(crash_during_save_generation(forgetful, 1).wrong > 0);
}

BOOST_AUTO_TEST_CASE(killed_processes) { kill_while_saving(12); }

BOOST_AUTO_TEST_SUITE_END()
