// Saving beside the training.
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <lamina/serialization/background_saver.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <mutex>
#include <serialization/fake_file_system.hpp>
#include <serialization/small_network.hpp>
#include <support/files.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

CheckpointParts<float> parts_of(Run<float>& run) {
  return {run.net, &run.optimizer, &run.progress};
}

std::string saved(Run<float>& run) {
  FakeFileSystem files;
  save_checkpoint("file", parts_of(run), files);
  return files.files.at("file");
}

// Lets a test do something while a save is in the middle of its work: list() waits for the gate.
class GatedFileSystem : public FakeFileSystem {
 public:
  std::vector<std::string> list(const std::string& folder) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
    return FakeFileSystem::list(folder);
  }
  void open_gate(bool open = true) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(background_saving)

BOOST_AUTO_TEST_CASE(the_file_is_that_of_the_moment_of_the_call) {
  Run<float> run;
  run.train(2);
  const std::string expected = saved(run);
  GatedFileSystem files;
  BackgroundSaver saver;
  BOOST_TEST(!saver.busy());
  saver.save_checkpoint("file", parts_of(run), files);
  BOOST_TEST(saver.busy());
  run.train(3);  // goes on while nothing was written yet
  files.open_gate();
  saver.wait();
  BOOST_TEST(!saver.busy());
  BOOST_TEST((files.files.at("file") == expected));
  BOOST_TEST((saved(run) != expected));

  // The training is not disturbed either.
  Run<float> undisturbed;
  undisturbed.train(2);
  undisturbed.train(3);
  BOOST_TEST((saved(undisturbed) == saved(run)));
}

BOOST_AUTO_TEST_CASE(tensors_are_shared_until_they_are_written) {
  Run<float> run;
  run.train(1);
  GatedFileSystem files;
  BackgroundSaver saver;
  saver.save_checkpoint("file", parts_of(run), files);
  const auto kernel = run.net.parameters()[0];
  BOOST_TEST(!kernel->value.unique());
  files.open_gate();
  saver.wait();
  BOOST_TEST(kernel->value.unique());
}

BOOST_AUTO_TEST_CASE(one_save_at_a_time_in_the_order_of_the_calls) {
  const TemporaryFolder folder(Medium::memory);
  const std::string base = folder.path().string();
  Run<float> run;
  BackgroundSaver saver;
  std::vector<std::string> expected;
  for (int n = 0; n < 20; ++n) {
    run.train(1);
    expected.push_back(saved(run));
    saver.save_generation(base, parts_of(run), {.keep = 100});
  }
  saver.wait();
  const auto paths = list_generations(base);
  BOOST_REQUIRE(paths.size() == expected.size());
  for (std::size_t n = 0; n < paths.size(); ++n) BOOST_TEST((read_bytes(paths[n]) == expected[n]));
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 20);
}

BOOST_AUTO_TEST_CASE(failures_come_out_of_the_next_call_or_of_wait) {
  Run<float> run;
  run.train(1);
  FakeFileSystem files;
  const std::string text =
      "[save_checkpoint] 'none/file' must be written; got 'No such file or directory' from create";
  BackgroundSaver saver;
  saver.save_checkpoint("none/file", parts_of(run), files);
  refuses<CheckpointError>(text, [&] { saver.save_checkpoint("file", parts_of(run), files); });
  BOOST_TEST(files.files.empty());  // that call saved nothing
  saver.save_checkpoint("file", parts_of(run), files);
  saver.wait();
  BOOST_TEST((files.files.at("file") == saved(run)));
  saver.save_checkpoint("none/file", parts_of(run), files);
  refuses<CheckpointError>(text, [&] { saver.wait(); });
  saver.wait();  // told once

  // What can be known at once is thrown at once.
  Run<float> never_built;
  BOOST_CHECK_THROW(saver.save_checkpoint("file", parts_of(never_built), files), StateError);
  BOOST_CHECK_THROW(saver.save_generation("run", parts_of(run), {.keep = 0}), ArgumentError);
  BOOST_TEST(!saver.busy());
}

BOOST_AUTO_TEST_CASE(the_end_of_the_object_waits) {
  const TemporaryFolder folder(Medium::memory);
  const std::string path = (folder / "file").string();
  Run<float> run;
  run.train(1);
  { BackgroundSaver().save_checkpoint(path, parts_of(run)); }
  BOOST_TEST((read_bytes(path) == saved(run)));
}

BOOST_AUTO_TEST_SUITE_END()
