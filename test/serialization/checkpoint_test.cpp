#include <boost/test/unit_test.hpp>
#include <cmath>
#include <lamina/autograd/tensor/parallel.hpp>
#include <lamina/optim/sgd.hpp>
#include <lamina/serialization/checkpoint.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <limits>
#include <serialization/fake_file_system.hpp>
#include <serialization/small_network.hpp>
#include <support/allocation_counter.hpp>
#include <support/files.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

using Scalars = std::tuple<float, double>;

template <Scalar T>
CheckpointParts<T> parts_of(Run<T>& run) {
  return {run.net, &run.optimizer, &run.progress};
}

template <Scalar T>
std::string saved(Run<T>& run) {
  FakeFileSystem files;
  save_checkpoint("file", parts_of(run), files);
  return files.files.at("file");
}

FakeFileSystem holding(const std::string& content) {
  FakeFileSystem files;
  files.files["file"] = content;
  return files;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoints)

BOOST_AUTO_TEST_CASE_TEMPLATE(a_loaded_run_goes_on_to_the_same_bytes, T, Scalars) {
  Run<T> whole;
  whole.train(3);
  const std::string middle = saved(whole);
  whole.train(4);

  Run<T> resumed;  // never called: shapes come from the file
  auto files = holding(middle);
  load_checkpoint("file", parts_of(resumed), files);
  BOOST_TEST(resumed.net.built());
  BOOST_TEST((saved(resumed) == middle));
  resumed.train(4);
  BOOST_TEST((saved(resumed) == saved(whole)));
  BOOST_TEST(resumed.progress.history.size() == 7u);

  Run<T> other;  // called before, with other values
  other.train(1);
  load_checkpoint("file", parts_of(other), files);
  BOOST_TEST((saved(other) == middle));
}

BOOST_AUTO_TEST_CASE(the_file_is_the_same_for_any_thread_count) {
  const int before = threads();
  std::vector<std::string> contents;
  for (const int count : {1, 2}) {
    set_threads(count);
    Run<float> run;
    run.train(3);
    contents.push_back(saved(run));
  }
  set_threads(before);
  BOOST_TEST((contents[0] == contents[1]));
}

BOOST_AUTO_TEST_CASE(through_a_real_file_with_the_short_calls) {
  const TemporaryFolder folder;
  const std::string path = (folder / "net.lamina").string();
  Run<float> run;
  run.train(2);
  save_checkpoint(path, run.net, run.optimizer, run.progress);
  BOOST_TEST((read_bytes(path) == saved(run)));

  Run<float> again;
  load_checkpoint(path, again.net, again.optimizer, again.progress);
  BOOST_TEST((saved(again) == saved(run)));

  auto net = small_network<float>();
  load_checkpoint(path, net);  // the network alone
  BOOST_TEST((identical(state_of(net), state_of(run.net))));
  const Sequential<float>& built = net;
  BOOST_TEST((identical(built(small_input<float>(), Context<float>::for_inference()).value(),
                        run.net(small_input<float>(), Context<float>::for_inference()).value())));

  save_checkpoint(path, built);
  BOOST_CHECK_THROW(load_checkpoint(path, again.net, again.optimizer), CheckpointError);
  save_checkpoint(path, run.net, run.optimizer);
  load_checkpoint(path, again.net, again.optimizer);
}

BOOST_AUTO_TEST_CASE(every_float_survives) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Run<double> run;
  run.train(1);
  auto& values = run.progress;
  values.running_loss = -0.0;
  values.history = {std::nan("0x123"), -std::nan(""), kInfinity, -kInfinity, 5e-324, 1e308};
  values.average = Tensor<double>({0, 3}, 0);
  values.best = std::string("\0\n\xff", 3);
  auto files = holding(saved(run));
  Run<double> again;
  load_checkpoint("file", parts_of(again), files);
  BOOST_TEST((saved(again) == files.files.at("file")));
  BOOST_TEST(std::signbit(again.progress.running_loss));
  BOOST_TEST(again.progress.best == values.best);
  BOOST_TEST((again.progress.average.shape() == Shape{0, 3}));
}

BOOST_AUTO_TEST_CASE(what_is_undefined_may_be_missing) {
  Run<float> fresh;
  fresh.train(1);
  fresh.progress.average = {};
  auto files = holding(saved(fresh));
  Run<float> also_fresh;
  load_checkpoint("file", parts_of(also_fresh), files);
  BOOST_TEST(!also_fresh.progress.average.defined());
  Run<float> trained;
  trained.train(1);
  refuses<CheckpointError>(
      "[load_checkpoint] 'file' must hold the state of this run; got 1 difference:\n"
      "  missing: training state average, expected float32 (2)",
      [&] { load_checkpoint("file", parts_of(trained), files); });
}

BOOST_AUTO_TEST_CASE(all_differences_of_another_architecture_are_listed_at_once) {
  Run<float> run;
  run.train(1);
  auto files = holding(saved(run));
  Sequential<float> other;
  other.add(Linear<float>({.units = 4})).add(Residual<float>());
  Rng rng(1);
  Tape<float> tape;
  Sequential<float> wide;
  wide.add(Linear<float>({.units = 4, .use_bias = false})).add(Centering<float>());
  wide(small_input<float>(), Context<float>::for_training(tape, rng));
  const StateDict before = state_of(wide);
  refuses<CheckpointError>(
      "[load_checkpoint] 'file' must hold the state of this network; got 10 differences:\n"
      "  other shape: linear.kernel is (5, 3), expected (5, 4)\n"
      "  missing: centering.moving_mean, expected float32 (4)\n"
      "  missing: centering.updates, expected an integer\n"
      "  unexpected: linear.bias, float32 (3)\n"
      "  unexpected: linear_1.bias, float32 (2)\n"
      "  unexpected: linear_1.kernel, float32 (3, 2)\n"
      "  unexpected: residual.centering.moving_mean, float32 (3)\n"
      "  unexpected: residual.centering.updates, an integer\n"
      "  unexpected: residual.inner.bias, float32 (3)\n"
      "  unexpected: residual.inner.kernel, float32 (3, 3)",
      [&] { load_checkpoint("file", CheckpointParts<float>{wide}, files); });
  BOOST_TEST((identical(state_of(wide), before)));
}

BOOST_AUTO_TEST_CASE(another_element_type_is_a_difference) {
  Run<float> run;
  run.train(1);
  auto files = holding(saved(run));
  Sequential<double> net;
  net.add(Linear<double>({.units = 3, .use_bias = false}));
  BOOST_CHECK_EXCEPTION(
      load_checkpoint("file", CheckpointParts<double>{net}, files), CheckpointError,
      [](const Error& error) {
        return std::string(error.what())
                   .find("other type: linear.kernel is float32 (5, 3), expected float64") !=
               std::string::npos;
      });
  BOOST_TEST(!net.built());
}

BOOST_AUTO_TEST_CASE(another_optimizer_is_refused_and_nothing_changes) {
  Run<float> run;
  run.train(1);
  auto files = holding(saved(run));
  Run<float> target;
  SGD<float> sgd(target.net.parameters(), {});
  refuses<CheckpointError>(
      "[load_checkpoint] 'file' must hold the state of this run; got 1 difference:\n"
      "  other value: optimizer is 'adam', expected 'sgd'",
      [&] {
        load_checkpoint("file", CheckpointParts<float>{target.net, &sgd, &target.progress}, files);
      });
  BOOST_TEST(!target.net.built());
  BOOST_TEST(target.progress.epoch == 0);

  FakeFileSystem plain;
  save_checkpoint("file", CheckpointParts<float>{run.net}, plain);
  BOOST_CHECK_EXCEPTION(
      load_checkpoint("file", parts_of(target), plain), CheckpointError, [](const Error& error) {
        const std::string text = error.what();
        return text.find("missing: optimizer, expected the state of 'adam'\n") !=
                   std::string::npos &&
               text.find("missing: training state epoch, expected an integer") != std::string::npos;
      });
  BOOST_TEST(!target.net.built());
}

// The training state comes last, after the network and the optimizer were written.
BOOST_AUTO_TEST_CASE(a_value_that_a_state_refuses_undoes_everything) {
  Run<float> run;
  run.train(1);
  run.progress.epoch = 7;
  std::string content = saved(run);
  FakeFileSystem files = holding(content);
  struct Strict : Progress<float> {
    void visit(StateVisitor<float>& v) override {
      Progress<float>::visit(v);
      if (epoch == 7) throw ArgumentError("strict", "epoch must not be 7; got 7");
    }
  };
  Run<float> target;
  target.train(2);
  Strict strict;
  static_cast<Progress<float>&>(strict) = target.progress;
  const std::string before = saved(target);
  refuses<ArgumentError>("[strict] epoch must not be 7; got 7", [&] {
    load_checkpoint("file", CheckpointParts<float>{target.net, &target.optimizer, &strict}, files);
  });
  target.progress = strict;
  BOOST_TEST((saved(target) == before));

  Run<float> unbuilt;
  refuses<ArgumentError>("[strict] epoch must not be 7; got 7", [&] {
    Strict fresh;
    load_checkpoint("file", CheckpointParts<float>{unbuilt.net, &unbuilt.optimizer, &fresh}, files);
  });
  BOOST_TEST(!unbuilt.net.built());
}

BOOST_AUTO_TEST_CASE(a_network_that_was_never_called_cannot_be_saved) {
  auto net = small_network<float>();
  FakeFileSystem files;
  refuses<StateError>(
      "[linear.kernel] a value must exist before it can be saved; got a network that was never "
      "called, built or loaded",
      [&] { save_checkpoint("file", CheckpointParts<float>{net}, files); });
  BOOST_TEST(files.files.empty());
}

// A file of other units fits a network that was never called; the first call finds out.
BOOST_AUTO_TEST_CASE(loaded_shapes_must_fit_the_options_and_the_input) {
  Run<float> run;
  run.train(1);
  auto files = holding(saved(run));
  auto net = small_network<float>(3);
  load_checkpoint("file", CheckpointParts<float>{net}, files);
  refuses<ShapeError>(
      "[linear_1: kernel] the stored value must fit the input; got shape (3, 2), expected (3, 3)",
      [&] { net(small_input<float>(), Context<float>::for_inference()); });
}

BOOST_AUTO_TEST_CASE(tied_weights_are_stored_once_and_stay_tied) {
  Linear<float> linear({.units = 5});
  Sequential<float> net;
  net.add(share(linear)).add(share(linear));
  Rng rng(3);
  Tape<float> tape;
  net(small_input<float>(), Context<float>::for_training(tape, rng));
  FakeFileSystem files;
  save_checkpoint("file", CheckpointParts<float>{net}, files);
  BOOST_TEST(state_of(net).size() == 2);
  Sequential<float> again;
  Linear<float> other({.units = 5});
  again.add(share(other)).add(share(other));
  load_checkpoint("file", CheckpointParts<float>{again}, files);
  BOOST_TEST((identical(state_of(again), state_of(net))));
  BOOST_TEST((identical(other.kernel.value(), linear.kernel.value())));
}

BOOST_AUTO_TEST_CASE(files_that_are_none) {
  auto net = small_network<float>();
  const auto load = [&](const std::string& path) { load_checkpoint(path, net); };
  const TemporaryFolder folder;
  const std::string base = folder.path().string();
  refuses<CheckpointError>("[load_checkpoint] '" + base +
                               "/none' must be a readable file; got 'No such "
                               "file or directory' from open",
                           [&] { load(base + "/none"); });
  refuses<CheckpointError>(
      "[load_checkpoint] '" + base + "' must be a readable file; got 'Is a directory' from open",
      [&] { load(base); });
  write_bytes(folder / "empty", "");
  refuses<CheckpointError>("[load_checkpoint] '" + base +
                               "/empty' must hold a header of 64 bytes; got a file of 0 bytes",
                           [&] { load(base + "/empty"); });
  write_bytes(folder / "text", std::string(100, 'x'));
  refuses<CheckpointError>(
      "[load_checkpoint] '" + base +
          "/text' must begin with the mark of a lamina checkpoint; got other bytes",
      [&] { load(base + "/text"); });
  refuses<CheckpointError>(
      "[load_checkpoint] '/dev/zero' must be a readable file; got 'Invalid argument' from open",
      [&] { load("/dev/zero"); });
}

// operator new fails at every call in turn: the load is done, or nothing changed.
BOOST_AUTO_TEST_CASE(no_memory_while_loading) {
  if (!counts_allocations()) return;
  Run<float> run;
  run.train(2);
  auto files = holding(saved(run));
  Run<float> target;
  target.train(1);
  const std::string before = saved(target);
  int failures = 0;
  for (bool done = false; !done; ++failures) {
    BOOST_REQUIRE(failures < 10000);
    files.operations.clear();
    files.operations.reserve(100);
    fail_allocation(failures);
    try {
      load_checkpoint("file", parts_of(target), files);
      done = true;
    } catch (const std::bad_alloc&) {
    }
    fail_allocation(-1);
    BOOST_REQUIRE((saved(target) == (done ? saved(run) : before)));
  }
  BOOST_TEST(failures > 50);
}

BOOST_AUTO_TEST_CASE(no_memory_while_saving) {
  if (!counts_allocations()) return;
  const TemporaryFolder folder;
  const std::string path = (folder / "file").string();
  Run<float> run;
  run.train(1);
  save_checkpoint(path, parts_of(run));
  const std::string before = read_bytes(path);
  run.train(1);
  int failures = 0;
  for (bool done = false; !done; ++failures) {
    BOOST_REQUIRE(failures < 10000);
    fail_allocation(failures);
    try {
      save_checkpoint(path, parts_of(run));
      done = true;
    } catch (const std::bad_alloc&) {
    }
    fail_allocation(-1);
    BOOST_REQUIRE((read_bytes(path) == (done ? saved(run) : before)));
    BOOST_REQUIRE(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  }
  BOOST_TEST(failures > 50);
}

BOOST_AUTO_TEST_CASE(failures_of_reading_are_typed) {
  Run<float> run;
  run.train(1);
  auto files = holding(saved(run));
  files.bytes_per_read = 3;
  Run<float> target;
  load_checkpoint("file", parts_of(target), files);
  const std::size_t operations = files.operations.size();
  files.reset();
  files.bytes_per_read = 3;
  for (std::size_t n = 0; n < operations; ++n) {
    files.reset();
    files.bytes_per_read = 3;
    files.fail_at = n;
    Run<float> fresh;
    BOOST_CHECK_THROW(load_checkpoint("file", parts_of(fresh), files), CheckpointError);
    BOOST_TEST(!fresh.net.built());
  }
}

BOOST_AUTO_TEST_SUITE_END()
