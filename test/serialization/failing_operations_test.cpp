// Every file operation of every way of saving fails, once and from then on: a typed error, the
// former files whole, no temporary file left, and the next save works.
#include <sys/resource.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <functional>
#include <iostream>
#include <lamina/serialization/background_saver.hpp>
#include <lamina/serialization/checkpoint_file.hpp>
#include <lamina/serialization/generations.hpp>
#include <lamina/serialization/model_file.hpp>
#include <lamina/serialization/npz.hpp>
#include <lamina/serialization/safetensors.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <map>
#include <serialization/fake_file_system.hpp>
#include <serialization/small_network.hpp>
#include <support/files.hpp>
#include <support/refusal.hpp>
#include <utility>

using namespace lamina;
using namespace lamina::test;

namespace {

using Content = std::map<std::string, std::string>;  // path -> bytes

CheckpointParts<float> parts_of(Run<float>& run) {
  return {run.net, &run.optimizer, &run.progress};
}

struct Way {
  std::string name;
  std::size_t keep;  // so many files stay; 1 where one name is written again
  std::function<void(FileSystem&, BackgroundSaver&, Run<float>&, const std::string& folder)> save;
};

std::vector<Way> ways() {
  std::vector<Way> all{
      {"save_checkpoint", 1,
       [](FileSystem& files, BackgroundSaver&, Run<float>& run, const std::string& folder) {
         save_checkpoint(folder + "/file", parts_of(run), files);
       }},
      {"save_checkpoint in the background", 1,
       [](FileSystem& files, BackgroundSaver& saver, Run<float>& run, const std::string& folder) {
         saver.save_checkpoint(folder + "/file", parts_of(run), files);
         saver.wait();
       }},
      {"save_model", 1,
       [](FileSystem& files, BackgroundSaver&, Run<float>& run, const std::string& folder) {
         save_model(folder + "/file", run.net, files);
       }},
      {"save_state", 1,
       [](FileSystem& files, BackgroundSaver&, Run<float>& run, const std::string& folder) {
         save_state(folder + "/file", state_of(run.net), files);
       }},
      {"save_safetensors", 1,
       [](FileSystem& files, BackgroundSaver&, Run<float>& run, const std::string& folder) {
         save_safetensors(folder + "/file", state_of(run.net), {}, files);
       }},
      {"save_npz", 1,
       [](FileSystem& files, BackgroundSaver&, Run<float>& run, const std::string& folder) {
         save_npz(folder + "/file", state_of(run.net), {}, files);
       }},
  };
  for (const int keep : {1, 3}) {
    const std::string name = "save_generation, keep " + std::to_string(keep);
    all.push_back(
        {name, static_cast<std::size_t>(keep),
         [=](FileSystem& files, BackgroundSaver&, Run<float>& run, const std::string& folder) {
           save_generation(folder, parts_of(run), {.keep = keep, .file_system = &files});
         }});
    all.push_back({name + ", in the background", static_cast<std::size_t>(keep),
                   [=](FileSystem& files, BackgroundSaver& saver, Run<float>& run,
                       const std::string& folder) {
                     saver.save_generation(folder, parts_of(run),
                                           {.keep = keep, .file_system = &files});
                     saver.wait();
                   }});
  }
  return all;
}

bool is_temporary(const std::string& path) { return path.find("/.") != std::string::npos; }

Content visible(const FakeFileSystem& files) {
  Content found = files.files;
  std::erase_if(found, [](const auto& file) { return is_temporary(file.first); });
  return found;
}

std::size_t temporary_files(const FakeFileSystem& files) {
  return files.files.size() - visible(files).size();
}

bool holds(const Content& content, const Content::value_type& file) {
  const auto found = content.find(file.first);
  return found != content.end() && found->second == file.second;
}

bool holds_all(const Content& content, const Content& files) {
  return std::all_of(files.begin(), files.end(),
                     [&](const auto& file) { return holds(content, file); });
}

// One way of saving: the disk before a save, and what stands on it after one without failures.
class Attempt {
 public:
  explicit Attempt(Way way) : way_(std::move(way)) {
    before_.folders.insert("run");
    for (std::size_t n = 0; n < way_.keep; ++n) {
      run_.train(1);
      save(before_);
    }
    run_.train(1);
    before_.reset();
  }

  const FakeFileSystem& before() const { return before_; }

  FakeFileSystem without_failures(std::size_t bytes_per_write = SIZE_MAX) {
    FakeFileSystem files = before_;
    files.bytes_per_write = bytes_per_write;
    save(files);
    return files;
  }

  // A save on a disk that was made to fail, and one more when the disk is well again.
  void check(FakeFileSystem& files) {
    const Content former = visible(before_), next = visible(without_failures());
    const bool ever_after = files.fail_ever_after;
    const bool done = succeeds_or_refuses<CheckpointError>(way_.name, [&] { save(files); });
    const Content found = visible(files);
    for (const auto& file : found) {
      BOOST_TEST((holds(former, file) || holds(next, file)), file.first << " is neither");
    }
    BOOST_TEST((holds_all(found, next) || (!done && holds_all(found, former))));
    // A disk that refuses everything refuses to remove, too.
    if (!ever_after && !refused_unlink(files)) BOOST_TEST(temporary_files(files) == 0u);

    files.reset();
    save(files);
    BOOST_TEST(temporary_files(files) == 0u);
    BOOST_TEST(visible(files).size() == way_.keep);
    BOOST_TEST((visible(files).rbegin()->second == next.rbegin()->second));
    (done ? saved_ : refused_) += 1;
  }

  int saved() const { return saved_; }
  int refused() const { return refused_; }

 private:
  void save(FakeFileSystem& files) { way_.save(files, saver_, run_, "run"); }

  // A series gives its file the name by a link and takes the temporary name away after that.
  bool refused_unlink(const FakeFileSystem& files) const {
    return files.fail_at < files.operations.size() && files.operations[files.fail_at] == "remove" &&
           files.fail_at > 0 && files.operations[files.fail_at - 1] == "rename";
  }

  Way way_;
  FakeFileSystem before_;
  Run<float> run_;
  BackgroundSaver saver_;
  int saved_ = 0, refused_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(failing_operations)

BOOST_AUTO_TEST_CASE(every_operation_fails_once_and_from_then_on) {
  int failures = 0;
  for (const Way& way : ways()) {
    Attempt attempt(way);
    for (const std::size_t bytes_per_write : {SIZE_MAX, std::size_t{301}}) {
      const auto operations = attempt.without_failures(bytes_per_write).operations;
      for (std::size_t n = 0; n < operations.size(); ++n) {
        for (const int code : {EIO, ENOSPC, EACCES}) {
          for (const bool ever_after : {false, true}) {
            BOOST_TEST_CONTEXT(way.name << ": operation " << n << ", " << operations[n] << ", code "
                                        << code << (ever_after ? ", from then on" : ", once")) {
              FakeFileSystem files = attempt.before();
              files.bytes_per_write = bytes_per_write;
              files.fail_at = n;
              files.failure = code;
              files.fail_ever_after = ever_after;
              attempt.check(files);
            }
          }
        }
      }
    }
    // Only sweeping and tidying up may fail without a word.
    BOOST_TEST(attempt.refused() > attempt.saved());
    failures += attempt.refused() + attempt.saved();
  }
  std::cout << failures << " failures of file operations in " << ways().size()
            << " ways of saving, once and from then on: former files whole, nothing left\n";
}

BOOST_AUTO_TEST_CASE(what_fails_is_reported_unless_it_only_tidies_up) {
  Attempt attempt(ways().front());
  const auto operations = attempt.without_failures().operations;
  for (std::size_t n = 0; n < operations.size(); ++n) {
    FakeFileSystem files = attempt.before();
    files.fail_at = n;
    const int saved = attempt.saved();
    attempt.check(files);
    BOOST_TEST((attempt.saved() > saved) == (operations[n] == "list"), operations[n]);
  }
}

BOOST_AUTO_TEST_CASE(a_full_disk_keeps_the_former_files) {
  int full = 0;
  for (const Way& way : ways()) {
    Attempt attempt(way);
    std::size_t used = 0;
    for (const auto& [path, content] : attempt.before().files) used += content.size();
    const std::size_t size = visible(attempt.without_failures()).rbegin()->second.size();
    for (std::size_t free = 0; free < size; free += 97, ++full) {
      BOOST_TEST_CONTEXT(way.name << ", " << free << " bytes free") {
        FakeFileSystem files = attempt.before();
        files.capacity = used + free;
        attempt.check(files);
      }
    }
    BOOST_TEST(attempt.saved() == 0);
    FakeFileSystem files = attempt.before();
    files.capacity = used + size;
    attempt.check(files);
    BOOST_TEST(attempt.saved() == 1);
  }
  std::cout << full << " saves onto a full disk: former files whole, nothing left\n";
}

// The system's own refusal, on a real disk.
BOOST_AUTO_TEST_CASE(a_limit_on_the_size_of_files_keeps_the_former_files) {
  rlimit former_limit{};
  BOOST_REQUIRE(getrlimit(RLIMIT_FSIZE, &former_limit) == 0);
  const auto former_handler = std::signal(SIGXFSZ, SIG_IGN);  // an error instead of the end
  for (const Way& way : ways()) {
    const TemporaryFolder folder;
    Run<float> run;
    BackgroundSaver saver;
    const auto save = [&] { way.save(posix_file_system(), saver, run, folder.path().string()); };
    const auto content = [&] {
      Content found;
      for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        found[entry.path().string()] = read_bytes(entry.path());
      }
      return found;
    };
    run.train(1);
    for (std::size_t n = 0; n < way.keep; ++n) save();
    const Content former = content();
    run.train(1);
    for (const rlim_t limit : {0, 1, 700}) {
      std::string error;
      const rlimit lowered{limit, former_limit.rlim_max};
      setrlimit(RLIMIT_FSIZE, &lowered);
      try {
        save();
      } catch (const CheckpointError& refusal) {
        error = refusal.what();
      }
      setrlimit(RLIMIT_FSIZE, &former_limit);
      BOOST_TEST(error.find("must be written; got 'File too large'") != std::string::npos, error);
      BOOST_TEST((content() == former), way.name);
    }
    save();
    BOOST_TEST(content().size() == way.keep);
    BOOST_TEST((content() != former), way.name);
  }
  std::signal(SIGXFSZ, former_handler);
}

// Another thread's temporary file looks like one that could not be removed.
BOOST_AUTO_TEST_CASE(a_save_inside_a_save_sweeps_nothing_that_is_in_use) {
  struct Nesting : FakeFileSystem {
    std::function<void()> inner;
    std::size_t seen = 0;  // temporary files after the inner save
    void rename(const std::string& from, const std::string& to) override {
      if (const auto save = std::exchange(inner, nullptr)) {
        save();
        seen = temporary_files(*this);
      }
      FakeFileSystem::rename(from, to);
    }
  } files;
  files.folders.insert("run");
  Run<float> outer, inner;
  outer.train(1);
  inner.train(2);
  files.inner = [&] { save_checkpoint("run/file", parts_of(inner), files); };
  save_checkpoint("run/file", parts_of(outer), files);
  BOOST_TEST(files.seen == 1u);
  BOOST_TEST(files.files.size() == 1u);
  Run<float> loaded;
  load_checkpoint("run/file", parts_of(loaded), files);
  BOOST_TEST(loaded.progress.history.size() == 1u);  // the last rename wins
}

BOOST_AUTO_TEST_SUITE_END()
