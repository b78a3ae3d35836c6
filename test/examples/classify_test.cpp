#include <boost/test/unit_test.hpp>
#include <examples/program.hpp>
#include <fstream>
#include <iterator>
#include <lamina/lamina.hpp>
#include <support/files.hpp>

using namespace lamina;
using namespace lamina::test;

namespace {

// A file of 5 drawn digits, their labels, one as PGM, and a model that was trained on nothing else.
struct Files {
  TemporaryFolder folder;
  std::string model = (folder / "model.lamina").string();
  std::string images = (folder / "images").string();
  std::string labels = (folder / "labels").string();
  std::string picture = (folder / "picture.pgm").string();

  explicit Files(bool ends_in_softmax = false) {
    const Dataset digits = data::synthetic_digits({.examples = 5, .seed = 4});
    const auto& pixels = std::get<Tensor<std::uint8_t>>(digits.features());
    data::write_idx(images, pixels.reshaped({5, 28, 28}));
    data::write_idx(labels, digits.labels().cast<std::uint8_t>());
    data::write_pgm(picture, Tensor<std::uint8_t>({28, 28}, pixels.values().first(784)));
    Sequential<float> net;
    net.add<Flatten>().add<Dense>({.units = 10});
    Rng rng(1);
    Tape<float> tape;
    Adam<float> optimizer(net.parameters(), {.learning_rate = 0.01});
    for (int i = 0; i < 50; ++i) {
      const auto batch = digits.batch<float>(0, 5);
      const auto ctx = Context<float>::for_training(tape, rng);
      tape.backward(softmax_cross_entropy(net(batch.features, ctx), batch.labels));
      optimizer.step();
      optimizer.zero_gradients();
      tape.clear();
    }
    if (ends_in_softmax) net.add<Softmax>();
    save_model(model, net);
  }
};

std::int64_t lines_in(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace

BOOST_AUTO_TEST_SUITE(classify_example)

BOOST_AUTO_TEST_CASE(draws_and_counts) {
  const Files files;
  const Finished all = run_program(
      "classify", {files.model, files.images, "--labels", files.labels, "--draw", "ascii"});
  BOOST_TEST(all.status == 0, all.output);
  BOOST_TEST(contains(all.output, "right: 5 of 5\n"));
  BOOST_TEST(lines_in(all.output) == 5 * (1 + 14) + 1);
  for (const char* shade : {".", ":", "-", "=", "+", "*"}) BOOST_TEST(contains(all.output, shade));
  BOOST_TEST(contains(all.output, "#### "));
  BOOST_TEST(contains(all.output, " %\n"));
  BOOST_TEST(!contains(all.output, "\033"));

  const Finished two = run_program(
      "classify", {files.model, files.images, "--first", "3", "--count", "9", "--draw", "blocks"});
  BOOST_TEST(two.status == 0);
  BOOST_TEST(contains(two.output, "image 3: "));
  BOOST_TEST(contains(two.output, "image 4: "));
  BOOST_TEST(lines_in(two.output) == 2 * 15);
  BOOST_TEST(contains(two.output, "\u2580"));
  BOOST_TEST(!contains(two.output, "right"));
}

// The pixels that train_mnist trained on are those that classify feeds, and one thread trains the
// same bytes as two.
BOOST_AUTO_TEST_CASE(recognizes_what_train_mnist_learned_on_any_number_of_threads) {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const auto bytes_of = [](const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto trained = [&](const char* threads, const std::string& file) {
    const Finished done = run_program(
        "train_mnist", {"--data", "synthetic", "--model", "mlp", "--examples", "600", "--epochs",
                        "4", "--threads", threads, "--quiet", "--save", file});
    BOOST_TEST(done.status == 0, done.output);
    return bytes_of(file);
  };
  const std::string one = trained("1", path("one.lamina"));
  BOOST_TEST(!one.empty());
  BOOST_TEST((one == trained("2", path("two.lamina"))), "two threads trained other bytes");

  const Dataset digits = data::synthetic_digits({.examples = 200, .seed = 77});
  const auto& pixels = std::get<Tensor<std::uint8_t>>(digits.features());
  data::write_idx(path("images"), pixels.reshaped({200, 28, 28}));
  data::write_idx(path("labels"), digits.labels().cast<std::uint8_t>());
  const Finished classified = run_program(
      "classify",
      {path("one.lamina"), path("images"), "--labels", path("labels"), "--count", "200"});
  BOOST_TEST(classified.status == 0, classified.output);
  const auto summary = classified.output.substr(classified.output.rfind("right: "));
  BOOST_TEST(std::stoi(summary.substr(7)) > 150, summary);
}

BOOST_AUTO_TEST_CASE(the_drawing_follows_the_terminal) {
  const Files files;
  const std::vector<std::string> arguments{files.model, files.picture};
  const Finished plain = run_program("classify", arguments, "LC_ALL=C");
  BOOST_TEST(plain.status == 0, plain.output);
  BOOST_TEST(std::all_of(plain.output.begin(), plain.output.end(),
                         [](char c) { return static_cast<unsigned char>(c) < 128; }));
  const Finished utf8 = run_program("classify", arguments, "LC_ALL=C.UTF-8");
  BOOST_TEST(contains(utf8.output, "\u2588"));
  BOOST_TEST(!contains(utf8.output, "\033"));  // no terminal, no colors
  const Finished colors = run_program("classify", {files.model, files.picture, "--draw", "colors"});
  BOOST_TEST(contains(colors.output, "\033[38;5;"));
}

BOOST_AUTO_TEST_CASE(probabilities_are_not_normalized_twice) {
  const Files logits(false), probabilities(true);
  const auto text = [](const Files& files) {
    return run_program("classify", {files.model, files.images, "--draw", "ascii"}).output;
  };
  BOOST_TEST(text(logits) == text(probabilities));
}

BOOST_AUTO_TEST_CASE(statistics_never_trained_are_told_once) {
  const Files files;
  Sequential<float> net;
  net.add<Flatten>().add<Dense>({.units = 10}).add<BatchNormalization>();
  Rng rng(1);
  net(Tensor<float>::ones({1, 28, 28, 1}), {.updates = StateUpdates::discard, .rng = &rng});
  save_model(files.model, net);
  const Finished finished = run_program("classify", {files.model, files.images});
  BOOST_TEST(finished.status == 0);
  const std::string warning =
      "warning: [batch_normalization] normalizing by moving statistics that no training has "
      "updated\n";
  const std::size_t at = finished.output.find(warning);
  BOOST_TEST_REQUIRE(at != std::string::npos, finished.output);
  BOOST_TEST(finished.output.find("warning", at + 1) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said) {
  const Files files;
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& text) {
    const Finished finished = run_program("classify", arguments);
    BOOST_TEST(finished.status == 1);
    BOOST_TEST(contains(finished.output, text), finished.output);
  };
  refused({files.images, files.images}, "must begin with the mark of a lamina checkpoint");
  refused({files.folder.path().string() + "/none", files.images}, "must be a readable file");
  refused({files.model, files.labels}, "must hold images; got shape (5)");
  refused({files.model, files.images, "--labels", files.images},
          "must hold one label per image; got shape (5, 28, 28), expected (5)");
  refused({files.model, files.images, "--first", "5"}, "there must be images to classify");
  data::write_pgm(files.folder / "small.pgm", Tensor<std::uint8_t>({3, 5}, std::uint8_t{7}));
  const std::string small = (files.folder / "small.pgm").string();
  refused({files.model, files.images, small}, "images must have one size; got (3, 5)");
  refused({files.model, small}, "[dense");
}

BOOST_AUTO_TEST_SUITE_END()
