// Loading a part of a checkpoint, under other names, in another element type, or whatever fits.
#include <boost/test/unit_test.hpp>
#include <lamina/serialization/checkpoint_file.hpp>
#include <lamina/serialization/model_file.hpp>
#include <lamina/serialization/partial_load.hpp>
#include <serialization/fake_file_system.hpp>
#include <serialization/small_network.hpp>
#include <support/refusal.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

using Names = std::vector<std::string>;

template <Scalar T>
Sequential<T> trained(std::int64_t outputs = 2) {
  Sequential<T> net = small_network<T>(outputs);
  Rng rng(3);
  Tape<T> tape;
  net(small_input<T>(), Context<T>::for_training(tape, rng));
  return net;
}

// Every path of small_network(), in order.
const Names kPaths{"linear.kernel",
                   "linear.bias",
                   "residual.inner.kernel",
                   "residual.inner.bias",
                   "residual.centering.moving_mean",
                   "residual.centering.updates",
                   "linear_1.kernel",
                   "linear_1.bias"};

struct Fixture {
  FakeFileSystem files;
  Sequential<float> source = trained<float>();
  Sequential<float> target = small_network<float>();
  Fixture() { save_model("file", source, files); }

  // All paths with another first name.
  void save_renamed(const std::string& from, const std::string& to) {
    StateDict renamed;
    for (const auto& [name, value] : state_of(source)) {
      const bool hit = name.starts_with(from + ".");
      renamed.add("model/" + (hit ? to + name.substr(from.size()) : name), value);
    }
    save_state("file", renamed, files);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(partial_load, Fixture)

BOOST_AUTO_TEST_CASE(by_default_everything_is_loaded_and_reported) {
  const LoadReport report = load_checkpoint("file", target, LoadOptions{}, files);
  BOOST_TEST((identical(state_of(target), state_of(source))));
  BOOST_TEST(report.loaded == kPaths, boost::test_tools::per_element());
  BOOST_TEST((report.missing.empty() && report.unexpected.empty() && report.other_shape.empty()));
  BOOST_TEST((report.converted.empty() && report.renamed.empty()));
}

BOOST_AUTO_TEST_CASE(strict_lists_all_differences_at_once) {
  StateDict state;
  state.add("model/linear.kernel", Tensor<float>({5, 4}, 0));
  state.add("model/linear.bias", std::int64_t{3});
  state.add("model/residual.centering.updates", 1.5);
  state.add("model/linear_1.kernel", Tensor<double>({3, 2}, 0));
  state.add("model/more", Tensor<float>({1}, 0));
  state.add("model/note", "x");
  save_state("file", state, files);
  target = trained<float>();
  const StateDict before = state_of(target);
  refuses<CheckpointError>(
      "[load_checkpoint] 'file' must fit the network; got 10 differences:\n"
      "  other shape: linear.kernel is (5, 4), expected (5, 3)\n"
      "  other type: linear.bias is an integer, expected float32\n"
      "  missing: residual.inner.kernel, expected float32 (3, 3)\n"
      "  missing: residual.inner.bias, expected float32 (3)\n"
      "  missing: residual.centering.moving_mean, expected float32 (3)\n"
      "  other type: residual.centering.updates is a number, expected an integer\n"
      "  other type: linear_1.kernel is float64 (3, 2), expected float32\n"
      "  missing: linear_1.bias, expected float32 (2)\n"
      "  unexpected: more, float32 (1)\n"
      "  unexpected: note, a text",
      [&] { load_checkpoint("file", target, LoadOptions{}, files); });
  BOOST_TEST((identical(state_of(target), before)));
  // Shapes and types are not forgiven by strict = false.
  refuses<CheckpointError>(
      "[load_checkpoint] 'file' must fit the network; got 4 differences:\n"
      "  other shape: linear.kernel is (5, 4), expected (5, 3)\n"
      "  other type: linear.bias is an integer, expected float32\n"
      "  other type: residual.centering.updates is a number, expected an integer\n"
      "  other type: linear_1.kernel is float64 (3, 2), expected float32",
      [&] { load_checkpoint("file", target, LoadOptions{.strict = false}, files); });
  BOOST_TEST((identical(state_of(target), before)));
}

BOOST_AUTO_TEST_CASE(what_is_missing_or_unexpected_may_be_forgiven) {
  save_renamed("residual", "other");
  target = trained<float>();
  target.parameters()[2]->assign(Tensor<float>({3, 3}, 7.0f));
  const LoadReport report = load_checkpoint("file", target, LoadOptions{.strict = false}, files);
  BOOST_TEST(report.loaded == (Names{kPaths[0], kPaths[1], kPaths[6], kPaths[7]}),
             boost::test_tools::per_element());
  BOOST_TEST(report.missing == Names(kPaths.begin() + 2, kPaths.begin() + 6),
             boost::test_tools::per_element());
  BOOST_TEST(report.unexpected == (Names{"other.centering.moving_mean", "other.centering.updates",
                                         "other.inner.bias", "other.inner.kernel"}),
             boost::test_tools::per_element());
  BOOST_TEST((identical(target.parameters()[2]->value, Tensor<float>({3, 3}, 7.0f))));
  BOOST_TEST((identical(target.parameters()[0]->value, source.parameters()[0]->value)));
}

BOOST_AUTO_TEST_CASE(names_are_changed_by_pairs_or_by_a_function) {
  save_renamed("residual", "deep.old");
  const LoadReport report =
      load_checkpoint("file", target, LoadOptions{.rename = {{"deep.old", "residual"}}}, files);
  BOOST_TEST((identical(state_of(target), state_of(source))));
  BOOST_TEST(report.loaded.size() == kPaths.size());
  BOOST_REQUIRE(report.renamed.size() == 4u);
  BOOST_TEST(report.renamed[0].first == "deep.old.inner.kernel");
  BOOST_TEST(report.renamed[0].second == "residual.inner.kernel");

  auto another = small_network<float>();
  const auto function = [](const std::string& path) {
    return path.starts_with("deep.old") ? "residual" + path.substr(8) : path;
  };
  load_checkpoint("file", another, LoadOptions{.rename = function}, files);
  BOOST_TEST((identical(state_of(another), state_of(source))));

  const Renaming pairs{{"a", "b"}, {"a.c", "never"}, {"module", ""}, {"x.kernel", "y.weight"}};
  const std::pair<const char*, const char*> expected[] = {
      {"a", "b"},           {"a.c", "b.c"},           {"ab.c", "ab.c"},    {"module.d.e", "d.e"},
      {"module", "module"}, {"x.kernel", "y.weight"}, {"x.bias", "x.bias"}};
  for (const auto& [from, to] : expected) BOOST_TEST(pairs(from) == to);
  BOOST_TEST((Renaming{{"", "net"}})("dense.kernel") == "net.dense.kernel");
  BOOST_TEST(Renaming()("same") == "same");

  refuses<CheckpointError>(
      "[load_checkpoint] 'file' must hold one value for each path of the network; got "
      "'deep.old.inner.bias' and 'linear.bias' for 'linear.bias'",
      [&] {
        load_checkpoint("file", target, LoadOptions{.rename = {{"deep.old.inner", "linear"}}},
                        files);
      });
}

// Of the rest nothing is compared, and nothing is read from the file.
BOOST_AUTO_TEST_CASE(only_a_part_may_be_asked_for) {
  target = trained<float>(4);  // the last layer has another shape
  const StateDict before = state_of(target);
  const CheckpointFile whole("file", files);
  for (const auto& tensor : whole.tensors()) {
    if (tensor.name == "model/linear_1.kernel") files.files.at("file")[tensor.offset] ^= 1;
  }
  const LoadReport report =
      load_checkpoint("file", target, LoadOptions{.only = "residual.*"}, files);
  BOOST_TEST(report.loaded == Names(kPaths.begin() + 2, kPaths.begin() + 6),
             boost::test_tools::per_element());
  BOOST_TEST((report.missing.empty() && report.unexpected.empty()));
  const StateDict after = state_of(target), wanted = state_of(source);
  for (const std::string& path : kPaths) {
    const StateDict& from = path.starts_with("residual.") ? wanted : before;
    StateDict a, b;
    a.add(path, *after.find(path));
    b.add(path, *from.find(path));
    BOOST_TEST((identical(a, b)), path);
  }
}

BOOST_AUTO_TEST_CASE(other_shapes_are_left_alone_when_asked) {
  target = trained<float>(4);
  const LoadReport report =
      load_checkpoint("file", target, LoadOptions{.skip_other_shape = true}, files);
  BOOST_TEST(report.loaded.size() == kPaths.size() - 2);
  BOOST_REQUIRE(report.other_shape.size() == 2u);
  BOOST_TEST(report.other_shape[0].path == "linear_1.kernel");
  BOOST_TEST((report.other_shape[0].in_file == Shape{3, 2}));
  BOOST_TEST((report.other_shape[0].in_network == Shape{3, 4}));
  BOOST_TEST((target.parameters().back()->value.shape() == Shape{4}));
}

BOOST_AUTO_TEST_CASE(element_types_are_converted_when_asked) {
  auto wide = small_network<double>();
  BOOST_CHECK_THROW(load_checkpoint("file", wide, LoadOptions{}, files), CheckpointError);
  BOOST_TEST(!wide.built());
  const LoadReport report =
      load_checkpoint("file", wide, LoadOptions{.convert_dtype = true}, files);
  BOOST_TEST(report.converted.size() == kPaths.size() - 1);  // the counter is an integer in both
  const auto wanted = source.parameters()[0]->value.cast<double>();
  BOOST_TEST((identical(wide.parameters()[0]->value, wanted)));

  save_model("wide", wide, files);
  load_checkpoint("wide", target, LoadOptions{.convert_dtype = true}, files);
  BOOST_TEST((identical(state_of(target), state_of(source))));
  StateDict integers;
  integers.add("model/linear.kernel", Tensor<std::int64_t>({5, 3}, std::int64_t{1}));
  save_state("file", integers, files);
  BOOST_CHECK_THROW(
      load_checkpoint("file", target, LoadOptions{.strict = false, .convert_dtype = true}, files),
      CheckpointError);
}

BOOST_AUTO_TEST_CASE(damage_and_failing_reads_leave_the_network) {
  target = trained<float>();
  target.parameters()[0]->assign(Tensor<float>({5, 3}, 7.0f));
  const StateDict before = state_of(target);
  files.reset();
  load_checkpoint("file", target, LoadOptions{}, files);
  const std::size_t operations = files.operations.size();
  load_state(target, before);
  for (std::size_t n = 0; n < operations; ++n) {
    files.reset();
    files.fail_at = n;
    BOOST_TEST(!succeeds_or_refuses<CheckpointError>(
        "load", [&] { load_checkpoint("file", target, LoadOptions{.strict = false}, files); }));
    BOOST_TEST((identical(state_of(target), before)));
  }
  files.reset();
  files.files.at("file").back() ^= 1;
  BOOST_CHECK_THROW(load_checkpoint("file", target, LoadOptions{}, files), CheckpointError);
  BOOST_TEST((identical(state_of(target), before)));
}

BOOST_AUTO_TEST_SUITE_END()
