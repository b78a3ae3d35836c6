// Saving when the disk misbehaves: at every moment the former or the new file is there, whole.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <iostream>
#include <lamina/serialization/checkpoint.hpp>
#include <lamina/serialization/generations.hpp>
#include <lamina/serialization/model_file.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <serialization/fake_file_system.hpp>
#include <serialization/small_network.hpp>
#include <set>
#include <support/allocation_counter.hpp>
#include <support/files.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

struct Trained {
  Run<float> run;
  Module<float>& net = run.net;
  std::string bytes;  // of its checkpoint
  Trained() {
    run.train(1);
    bytes = saved(net);
  }
  static std::string saved(Module<float>& net) {
    FakeFileSystem files;
    save_checkpoint("run/file", CheckpointParts<float>{net}, prepared(files));
    return files.files.at("run/file");
  }
  static FakeFileSystem& prepared(FakeFileSystem& files) {
    files.folders.insert("run");
    return files;
  }
};

void save(FakeFileSystem& files, Module<float>& net) {
  save_checkpoint("run/file", CheckpointParts<float>{net}, files);
}

int process_that_ended() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  int status = 0;
  waitpid(child, &status, 0);
  return child;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(saving)

BOOST_AUTO_TEST_CASE(the_order_of_operations_is_the_promise) {
  Trained trained;
  FakeFileSystem files;
  Trained::prepared(files);
  save(files, trained.net);
  const std::vector<std::string> expected{"list",  "create", "reserve", "write",
                                          "fsync", "close",  "rename",  "fsync folder"};
  BOOST_TEST(files.operations == expected, boost::test_tools::per_element());
  BOOST_TEST((files.files.at("run/file") == trained.bytes));
  BOOST_TEST(files.files.size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_message_names_file_operation_and_cause) {
  Trained trained;
  FakeFileSystem files;
  Trained::prepared(files).fail_at = 4;
  files.failure = ENOSPC;
  refuses<CheckpointError>(
      "[save_checkpoint] 'run/file' must be written; got 'No space left on device' from fsync",
      [&] { save(files, trained.net); });
  refuses<CheckpointError>("[save_checkpoint] 'run/' must name a file; got a folder", [&] {
    save_checkpoint("run/", CheckpointParts<float>{trained.net}, files);
  });
}

// A foreground save streams: what it takes does not grow with the state.
BOOST_AUTO_TEST_CASE(saving_takes_little_memory) {
  if (!counts_allocations()) return;
  const TemporaryFolder folder(Medium::memory);
  std::int64_t peaks[2] = {};
  for (const int large : {0, 1}) {
    Sequential<float> net;
    net.add(Linear<float>({.units = 1}));
    const std::int64_t inputs = large ? std::int64_t{24} << 20 : 5;  // 96 MiB, or 20 bytes
    net.parameters()[0]->assign(Tensor<float>({inputs, 1}, 1.0f));
    net.parameters()[1]->assign(Tensor<float>({1}, 1.0f));
    start_peak();
    save_checkpoint((folder / "file").string(), net);
    peaks[large] = peak_bytes();
  }
  std::cout << "peak memory of a foreground save of 96 MiB: " << peaks[1] << " bytes\n";
  BOOST_TEST(peaks[1] < (1 << 20));
  BOOST_TEST(peaks[1] < peaks[0] + 4096);
}

BOOST_AUTO_TEST_CASE(folders_that_cannot_take_a_file) {
  Trained trained;
  const TemporaryFolder folder;
  const std::string base = folder.path().string();
  refuses<CheckpointError>("[save_checkpoint] '" + base +
                               "/none/file' must be written; got 'No such "
                               "file or directory' from create",
                           [&] { save_checkpoint(base + "/none/file", trained.net); });
  write_bytes(folder / "plain", "text");
  refuses<CheckpointError>("[save_checkpoint] '" + base +
                               "/plain/file' must be written; got 'Not a "
                               "directory' from create",
                           [&] { save_checkpoint(base + "/plain/file", trained.net); });
  BOOST_TEST((read_bytes(folder / "plain") == "text"));
  std::filesystem::create_directory(folder / "taken");
  refuses<CheckpointError>("[save_checkpoint] '" + base + "/taken' must name a file; got a folder",
                           [&] { save_checkpoint(base + "/taken", trained.net); });
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);
  if (geteuid() != 0) {  // nothing is forbidden to root
    std::filesystem::create_directory(folder / "closed");
    chmod((folder / "closed").c_str(), 0500);
    refuses<CheckpointError>("[save_checkpoint] '" + base +
                                 "/closed/file' must be written; got "
                                 "'Permission denied' from create",
                             [&] { save_checkpoint(base + "/closed/file", trained.net); });
  }
}

// rename() would replace a device or a pipe without a word.
BOOST_AUTO_TEST_CASE(only_plain_files_are_replaced) {
  Trained trained;
  const TemporaryFolder folder;
  const std::string pipe = (folder / "pipe").string(), link = (folder / "link").string();
  BOOST_REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  std::filesystem::create_symlink(pipe, link);
  const auto refused = [&](const std::string& who, const std::string& path) {
    return "[" + who + "] '" + path +
           "' must be a regular file, or not be there yet; got a device, pipe or socket";
  };
  for (const std::string& path : {pipe, link, std::string("/dev/full"), std::string("/dev/null")}) {
    refuses<CheckpointError>(refused("save_checkpoint", path),
                             [&] { save_checkpoint(path, trained.net); });
    refuses<CheckpointError>(refused("save_model", path),
                             [&] { save_model(path, Sequential<float>()); });
  }
  refuses<CheckpointError>(
      "[load_checkpoint] '" + pipe + "' must be a readable file; got 'Invalid argument' from open",
      [&] { load_checkpoint(pipe, trained.net); });
  BOOST_TEST(std::filesystem::is_fifo(pipe));
  BOOST_TEST(std::filesystem::is_symlink(link));
  BOOST_TEST(std::filesystem::is_character_file("/dev/full"));
  BOOST_TEST(std::filesystem::is_character_file("/dev/null"));

  // A link to a file, or to nothing, gives way to the new file.
  write_bytes(folder / "plain", "text");
  for (const char* target : {"plain", "nothing"}) {
    std::filesystem::remove(link);
    std::filesystem::create_symlink(folder / target, link);
    save_checkpoint(link, trained.net);
    BOOST_TEST(std::filesystem::is_regular_file(std::filesystem::symlink_status(link)));
  }
  BOOST_TEST((read_bytes(folder / "plain") == "text"));
}

// Not even a temporary file.
BOOST_AUTO_TEST_CASE(a_target_that_is_no_file_is_refused_before_anything_is_written) {
  Trained trained;
  FakeFileSystem files;
  Trained::prepared(files).folders.insert("run/file");
  refuses<CheckpointError>("[save_checkpoint] 'run/file' must name a file; got a folder",
                           [&] { save(files, trained.net); });
  BOOST_TEST(files.operations.empty());
  BOOST_TEST(files.files.empty());
}

BOOST_AUTO_TEST_CASE(temporary_files_of_dead_processes_are_swept_and_others_are_not) {
  Trained trained;
  const std::string dead = std::to_string(process_that_ended());
  const std::string mine = std::to_string(getpid()), parent = std::to_string(getppid());
  FakeFileSystem files;
  Trained::prepared(files);
  const std::string gone[] = {"run/.file.tmp-" + dead + "-ab12-0",
                              "run/.file.tmp-" + mine + "-an_earlier_life-3"};
  const std::string staying[] = {"run/.file.tmp-" + parent + "-ab12-0",
                                 "run/.other.tmp-" + dead + "-1-0",
                                 "run/.file.tmp-",
                                 "run/.file.tmp-x-1",
                                 "run/.file.tmp-0-1",
                                 "run/.file.tmp-" + dead,
                                 "run/file.tmp-" + dead + "-1-0"};
  for (const auto& name : gone) files.files[name] = "rest";
  for (const auto& name : staying) files.files[name] = "rest";
  save(files, trained.net);
  for (const auto& name : gone) BOOST_TEST(!files.files.contains(name), name);
  for (const auto& name : staying) BOOST_TEST(files.files.contains(name), name);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(generations)

namespace {

std::vector<std::string> names(const FakeFileSystem& files) {
  std::vector<std::string> found;
  for (const auto& [path, content] : files.files) found.push_back(path);
  return found;
}

CheckpointParts<float> parts_of(Run<float>& run) {
  return {run.net, &run.optimizer, &run.progress};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_last_ones_stay_and_the_newest_is_loaded) {
  FakeFileSystem files;
  const GenerationOptions options{.keep = 2, .file_system = &files};
  Run<float> run;
  for (int n = 1; n <= 4; ++n) {
    run.train(1);
    const std::string path = save_generation("run", parts_of(run), options);
    BOOST_TEST(path == "run/checkpoint-000000000" + std::to_string(n) + ".lamina");
  }
  const std::vector<std::string> expected{"run/checkpoint-0000000003.lamina",
                                          "run/checkpoint-0000000004.lamina"};
  BOOST_TEST(names(files) == expected, boost::test_tools::per_element());
  BOOST_TEST(list_generations("run", options) == expected, boost::test_tools::per_element());
  Run<float> target;
  const LoadedGeneration loaded = load_latest("run", parts_of(target), options);
  BOOST_TEST(loaded.path == expected[1]);
  BOOST_TEST(loaded.skipped.empty());
  BOOST_TEST(target.progress.epoch == 4);
}

BOOST_AUTO_TEST_CASE(a_damaged_one_is_skipped_and_reported) {
  FakeFileSystem files;
  const GenerationOptions options{.file_system = &files};
  Run<float> run;
  for (int n = 0; n < 3; ++n) {
    run.train(1);
    save_generation("run", parts_of(run), options);
  }
  files.files.at("run/checkpoint-0000000003.lamina").resize(700);
  files.files.at("run/checkpoint-0000000002.lamina").back() ^= 1;
  Run<float> target;
  const LoadedGeneration loaded = load_latest("run", parts_of(target), options);
  BOOST_TEST(loaded.path == "run/checkpoint-0000000001.lamina");
  BOOST_TEST(target.progress.epoch == 1);
  BOOST_REQUIRE(loaded.skipped.size() == 2u);
  BOOST_TEST(
      loaded.skipped[0].starts_with("[load_latest] 'run/checkpoint-0000000003.lamina' must be as "
                                    "long as its header says; got 700 "
                                    "bytes, expected "));
  BOOST_TEST(loaded.skipped[1].starts_with(
      "[load_latest] 'run/checkpoint-0000000002.lamina' must hold 'state/history'"));

  files.files.at("run/checkpoint-0000000001.lamina").clear();
  Run<float> fresh;
  BOOST_CHECK_EXCEPTION(load_latest("run", parts_of(fresh), options), CheckpointError,
                        [](const Error& error) {
                          const std::string text = error.what();
                          return text.starts_with(
                                     "[load_latest] 'run' must hold a checkpoint named "
                                     "checkpoint-<number>.lamina; got none that is whole:\n  "
                                     "[load_latest] 'run/checkpoint-0000000003.lamina'") &&
                                 std::count(text.begin(), text.end(), '\n') == 3;
                        });
  // The numbers go on, and the new one is found.
  save_generation("run", parts_of(run), options);
  load_latest("run", parts_of(fresh), options);
  BOOST_TEST(fresh.progress.epoch == 3);
}

BOOST_AUTO_TEST_CASE(another_architecture_is_not_skipped) {
  FakeFileSystem files;
  const GenerationOptions options{.file_system = &files};
  Run<float> run;
  run.train(1);
  save_generation("run", parts_of(run), options);
  Sequential<float> net;
  net.add(Linear<float>({.units = 1}));
  BOOST_CHECK_EXCEPTION(
      load_latest("run", CheckpointParts<float>{net}, options), CheckpointError,
      [](const Error& error) {
        return std::string(error.what()).find("must hold the state of this network") !=
               std::string::npos;
      });
}

BOOST_AUTO_TEST_CASE(folders_and_options) {
  const TemporaryFolder folder;
  const std::string base = folder.path().string();
  Run<float> run;
  run.train(1);
  BOOST_TEST(list_generations(base + "/none").empty());
  refuses<CheckpointError>(
      "[load_latest] '" + base +
          "/none' must hold a checkpoint named checkpoint-<number>.lamina; got none",
      [&] { load_latest(base + "/none", parts_of(run)); });
  const std::string path = save_generation(base + "/new/run", parts_of(run), {.prefix = "best"});
  BOOST_TEST(path == base + "/new/run/best-0000000001.lamina");
  BOOST_TEST(load_latest(base + "/new/run", parts_of(run), {.prefix = "best"}).path == path);
  for (const char* name :
       {"best-1.lamina", "best-00000000010.lamina", "best-000000000x.lamina", "best-0000000002.tmp",
        "worst-0000000002.lamina", "best-+000000002.lamina"}) {
    write_bytes(folder / "new/run" / name, "x");
  }
  BOOST_TEST(list_generations(base + "/new/run", {.prefix = "best"}).size() == 1u);
  write_bytes(folder / "plain", "text");
  refuses<CheckpointError>(
      "[save_generation] '" + base +
          "/plain' must be a folder for checkpoints; got 'File exists' from mkdir",
      [&] { save_generation(base + "/plain", parts_of(run)); });
  refuses<CheckpointError>("[list_generations] '" + base +
                               "/plain' must be a readable folder; got 'Not a directory' from list",
                           [&] { list_generations(base + "/plain"); });
  refuses<ArgumentError>("[save_generation] keep must be at least 1; got 0",
                         [&] { save_generation(base, parts_of(run), {.keep = 0}); });
  for (const char* prefix : {"", ".hidden", "a/b"}) {
    refuses<ArgumentError>(std::string("[load_latest] prefix must be the beginning of a file name, "
                                       "without a dot in front; got '") +
                               prefix + "'",
                           [&] { load_latest(base, parts_of(run), {.prefix = prefix}); });
  }
}

// Every file of every process gets a number of its own: none is replaced.
BOOST_AUTO_TEST_CASE(two_processes_save_into_one_folder) {
  constexpr int kProcesses = 3, kSaves = 15;
  const TemporaryFolder folder(Medium::memory);
  const std::string base = folder.path().string();
  Run<float> run;
  run.train(1);
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = fork();
    if (child == 0) {
      bool whole = true;
      for (int n = 0; n < kSaves; ++n) {
        run.progress.best = std::to_string(process) + "." + std::to_string(n);
        const std::string path = save_generation(base, parts_of(run), {.keep = 1000});
        Run<float> again;
        load_checkpoint(path, parts_of(again));
        whole = whole && again.progress.best == run.progress.best;
      }
      _exit(whole ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    BOOST_TEST(status == 0);
  }
  std::set<std::string> contents;
  for (const std::string& path : list_generations(base)) {
    Run<float> again;
    load_checkpoint(path, parts_of(again));
    contents.insert(again.progress.best);
  }
  BOOST_TEST(contents.size() == static_cast<std::size_t>(kProcesses * kSaves));
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(folder.path()), {}) ==
             kProcesses * kSaves);
}

BOOST_AUTO_TEST_CASE(a_number_that_another_process_took_meanwhile_is_passed_over) {
  struct Racing : FakeFileSystem {
    int races = 3;
    bool rename_new(const std::string& from, const std::string& to) override {
      if (races-- > 0) files[to] = "of another process";
      return FakeFileSystem::rename_new(from, to);
    }
  } files;
  Run<float> run;
  run.train(1);
  const std::string path =
      save_generation("run", parts_of(run), {.keep = 9, .file_system = &files});
  BOOST_TEST(path == "run/checkpoint-0000000004.lamina");
  BOOST_TEST(files.files.at("run/checkpoint-0000000003.lamina") == "of another process");
  BOOST_TEST(files.files.size() == 4u);
}

BOOST_AUTO_TEST_SUITE_END()
