#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/training/csv_log.hpp>

namespace lamina {

namespace {

class CsvLog final : public Callback {
 public:
  explicit CsvLog(std::string path) : path_(std::move(path)) {}

  std::string name() const override { return "csv_log"; }

  void training_began(TrainingRun& run) override {
    if (!run.resumed) lines_ = 0;
    std::string text = header(run.history.names());
    lines_ = std::min(lines_, run.epoch);
    for (std::int64_t epoch = 0; epoch < lines_; ++epoch) text += line(run.history, epoch);
    write(text, std::ios::trunc);
  }

  // The run's history receives the epoch only after every callback has heard of it.
  void epoch_ended(TrainingRun& run) override {
    std::string text = std::to_string(run.epoch + 1);
    for (const std::string& name : run.history.names()) {
      text += fmt::format(",{}", run.value(name));
    }
    write(text + "\n", std::ios::app);
    ++lines_;
  }

  void visit(ScalarVisitor& visitor) override { visitor("lines", lines_); }

 private:
  static std::string header(const std::vector<std::string>& names) {
    std::string text = "epoch";
    for (const std::string& name : names) text += "," + name;
    return text + "\n";
  }
  static std::string line(const History& history, std::int64_t epoch) {
    std::string text = std::to_string(epoch + 1);
    for (const std::string& name : history.names()) {
      text += fmt::format(",{}", history.at(name).at(static_cast<std::size_t>(epoch)));
    }
    return text + "\n";
  }
  void write(const std::string& text, std::ios::openmode mode) const {
    errno = 0;
    std::ofstream file(path_, mode);
    file << text;
    file.close();
    if (file) return;
    throw DataError(name(), fmt::format("the file must be writable; got {}: {}", path_,
                                        errno ? std::strerror(errno) : "failed"));
  }

  std::string path_;
  std::int64_t lines_ = 0;
};

}  // namespace

CallbackPointer csv_log(const std::string& path) { return std::make_shared<CsvLog>(path); }

}  // namespace lamina
