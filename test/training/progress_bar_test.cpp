#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "training/support.hpp"

using namespace lamina;
using namespace lamina::test;

namespace {

// Trains 2 epochs of 4 steps; the clock moves by 1 s whenever it is asked.
void train_with(const ProgressBarOptions& given, int stop_after = 0) {
  double now = 0;
  ProgressBarOptions options = given;
  options.seconds = [&] { return now += 1; };
  auto net = small_net<float>();
  Trainer<float> trainer(net, {.loss = SoftmaxCrossEntropy(),
                               .optimizer = sgd({.learning_rate = 0}),
                               .metrics = {accuracy()}});
  CallbackList callbacks{progress_bar(options)};
  int steps = 0;
  if (stop_after > 0) {
    callbacks.push_back(on_step_end([&](TrainingRun& run) {
      if (++steps == stop_after) run.stop("enough");
    }));
  }
  trainer.fit(
      three_blobs(40, 1),
      {.epochs = 2, .batch_size = 10, .validation = three_blobs(10, 2), .callbacks = callbacks});
}

std::string read_all(int descriptor) {
  std::string text;
  char buffer[4096];
  for (ssize_t count; (count = read(descriptor, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

// What is written into a pipe; everything fits into its buffer.
std::string through_pipe(const ProgressBarOptions& given, int stop_after = 0) {
  int ends[2];
  BOOST_REQUIRE(pipe(ends) == 0);
  ProgressBarOptions options = given;
  options.output = fdopen(ends[1], "w");
  train_with(options, stop_after);
  fclose(options.output);
  const std::string text = read_all(ends[0]);
  close(ends[0]);
  return text;
}

// The same through a terminal of that width.
std::string through_terminal(unsigned short columns, int stop_after = 0) {
  int controller = -1, terminal = -1;
  winsize size{24, columns, 0, 0};
  BOOST_REQUIRE(openpty(&controller, &terminal, nullptr, nullptr, &size) == 0);
  ProgressBarOptions options;
  options.output = fdopen(terminal, "w");
  train_with(options, stop_after);
  fflush(options.output);
  fcntl(controller, F_SETFL, O_NONBLOCK);
  const std::string text = read_all(controller);
  fclose(options.output);
  close(controller);
  return text;
}

// Digits as #, so that only the form is compared.
std::string form(std::string text) {
  std::string result;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) result += c;
    if (digit && (result.empty() || result.back() != '#')) result += '#';
  }
  return result;
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(separator, begin)) != std::string::npos;
       begin = end + separator.size()) {
    parts.push_back(text.substr(begin, end - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

const std::string kEpochForm =
    "epoch #/#  #/#  #:#  #/s  loss #.#  accuracy #.#  val_loss #.#  val_accuracy #.#";

}  // namespace

BOOST_AUTO_TEST_CASE(into_a_pipe_go_whole_lines_one_per_epoch) {
  const auto lines = split(through_pipe({}), "\n");
  BOOST_REQUIRE(lines.size() == 3u);
  for (const std::size_t i : {0u, 1u}) {
    BOOST_TEST(form(lines[i]) == kEpochForm);
    BOOST_TEST(lines[i].starts_with("epoch " + std::to_string(i + 1) + "/2  4/4  "));
  }
  BOOST_TEST(lines[2].empty());
}

BOOST_AUTO_TEST_CASE(long_epochs_get_lines_in_between) {
  // The clock says 1, then one second more per step: 2 of 4 steps after 2 seconds.
  const auto lines = split(through_pipe({.line_seconds = 2}), "\n");
  BOOST_REQUIRE(lines.size() == 5u);
  BOOST_TEST(form(lines[0]) == "epoch #/#  #/#  #/s  #:# left  loss #.#  accuracy #.#");
  BOOST_TEST(lines[0].starts_with("epoch 1/2  2/4  10/s  0:02 left  loss "));
  BOOST_TEST(form(lines[1]) == kEpochForm);
}

BOOST_AUTO_TEST_CASE(on_a_terminal_one_line_is_redrawn) {
  const std::string text = through_terminal(120);
  const auto lines = split(text, "\r\n");
  BOOST_REQUIRE(lines.size() == 3u);
  BOOST_TEST(lines[2].empty());
  for (const std::size_t i : {0u, 1u}) {
    const auto drawn = split(lines[i], "\x1b[K");
    BOOST_REQUIRE(drawn.size() == 5u);  // three steps, the epoch, and nothing
    BOOST_TEST(form(drawn[0]) ==
               "\repoch #/#  [=====>              ]  #/#  #/s  #:# left  loss #.#  accuracy #.#");
    BOOST_TEST(form(drawn[2]).find("[===============>    ]") != std::string::npos);
    BOOST_TEST(form(drawn[3]) == "\r" + kEpochForm);
  }
}

BOOST_AUTO_TEST_CASE(a_narrow_terminal_is_not_overrun_by_what_is_redrawn) {
  for (const std::string& line : split(through_terminal(30), "\r\n")) {
    for (const std::string& drawn : split(line, "\x1b[K")) {
      if (drawn.find("left") == std::string::npos && drawn.find('[') == std::string::npos) continue;
      BOOST_TEST(drawn.size() <= 30u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_run_that_stops_within_an_epoch_leaves_the_line_whole) {
  BOOST_TEST(through_terminal(120, 2).ends_with("\x1b[K\r\n"));
  BOOST_TEST(through_pipe({}, 2).empty());
}
