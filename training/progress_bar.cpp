#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <lamina/training/progress_bar.hpp>

namespace lamina {

namespace {

constexpr int kBar = 20;

double steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// "0:07", "12:30", "1:02:03"
std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::lround(std::clamp(seconds, 0.0, 1e7)));
  const std::int64_t hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  return hours ? fmt::format("{}:{:02}:{:02}", hours, minutes, rest)
               : fmt::format("{}:{:02}", minutes, rest);
}

std::string bar(std::int64_t done, std::int64_t all) {
  const auto filled = static_cast<std::size_t>(all > 0 ? done * kBar / all : 0);
  std::string text(kBar, ' ');
  std::fill_n(text.begin(), std::min<std::size_t>(filled, kBar), '=');
  if (filled < kBar) text[filled] = '>';
  return "[" + text + "]";
}

class ProgressBar final : public Callback {
 public:
  explicit ProgressBar(const ProgressBarOptions& o) : options_(o) {
    if (!options_.output) options_.output = stdout;
    if (!options_.seconds) options_.seconds = steady_seconds;
    terminal_ = options_.terminal.value_or(isatty(fileno(options_.output)) == 1);
  }

  std::string name() const override { return "progress_bar"; }

  void epoch_began(TrainingRun& run) override {
    began_ = shown_ = options_.seconds();
    earlier_steps_ = run.step;
    earlier_examples_ = run.examples;
    open_ = false;
  }

  void step_ended(TrainingRun& run) override {
    const double now = options_.seconds();
    if (now - shown_ < (terminal_ ? options_.redraw_seconds : options_.line_seconds)) return;
    if (run.step == run.steps_per_epoch) return;  // epoch_ended follows
    shown_ = now;
    const double left = (now - began_) / static_cast<double>(run.step - earlier_steps_) *
                        static_cast<double>(run.steps_per_epoch - run.step);
    std::string text = heading(run);
    if (terminal_) text += "  " + bar(run.step, run.steps_per_epoch);
    text += fmt::format("  {}/{}  {}/s  {} left{}", run.step, run.steps_per_epoch, rate(run, now),
                        duration(left), values(run, false));
    show(text, false);
  }

  void epoch_ended(TrainingRun& run) override {
    const double now = options_.seconds();
    show(fmt::format("{}  {}/{}  {}  {}/s{}", heading(run), run.step, run.steps_per_epoch,
                     duration(now - began_), rate(run, now), values(run, true)),
         true);
  }

  void training_ended(TrainingRun&) override {
    if (!open_) return;
    std::fputs("\n", options_.output);
    std::fflush(options_.output);
    open_ = false;
  }

 private:
  static std::string heading(const TrainingRun& run) {
    return fmt::format("epoch {}/{}", run.epoch + 1, run.epochs);
  }
  std::int64_t rate(const TrainingRun& run, double now) const {
    const double seconds = std::max(now - began_, 1e-9);
    return std::lround(
        std::min(1e15, static_cast<double>(run.examples - earlier_examples_) / seconds));
  }
  static std::string values(const TrainingRun& run, bool validation) {
    std::string text;
    for (const std::string& name : run.history.names()) {
      if (name == "learning_rate" || (!validation && name.starts_with("val_"))) continue;
      text += fmt::format("  {} {:.4f}", name, run.value(name));
    }
    return text;
  }
  std::size_t width() const {
    winsize size{};
    const bool known = ioctl(fileno(options_.output), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : 80;
  }
  void show(std::string text, bool last) {
    if (terminal_) {
      if (!last) text.resize(std::min(text.size(), width() - 1));
      text = "\r" + text + "\x1b[K";  // and clear what a longer line left
    }
    if (last || !terminal_) text += "\n";
    open_ = terminal_ && !last;
    std::fputs(text.c_str(), options_.output);
    std::fflush(options_.output);
  }

  ProgressBarOptions options_;
  bool terminal_ = false;
  bool open_ = false;  // a line without end is on the terminal
  double began_ = 0, shown_ = 0;
  std::int64_t earlier_steps_ = 0, earlier_examples_ = 0;  // before a resumption
};

}  // namespace

CallbackPointer progress_bar(const ProgressBarOptions& options) {
  return std::make_shared<ProgressBar>(options);
}

}  // namespace lamina
