// How fast checkpoints are written and read, beside what the system does with the same bytes:
//
//   checkpoint_bench [--folder FOLDER] [--mebibytes N] [--rounds N]
//   checkpoint_bench --training [--folder FOLDER] [--mebibytes N] [--rounds N]
//
//   saving      save_checkpoint of a network, against write() in blocks of 1 MiB and fsync (what
//               dd bs=1M conv=fsync does)
//   loading     load_checkpoint into it, against read() of the file into warm memory
//   background  how long the call of BackgroundSaver takes, while nothing else is under way
//
// Each round does all four, the first two in changing order and under names that are free; the
// medians are compared. Needs twice the size in memory and three times on the disk of the folder.
// The figures are MiB/s. With --training instead what background saves cost the training of a CNN
// (checkpoint_training.hpp), with its own state and with N MiB besides.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <checkpoint_training.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <lamina/lamina.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace lamina;

struct Options {
  std::string folder = std::filesystem::temp_directory_path().string();
  std::int64_t mebibytes = 1024;
  int rounds = 5;
  bool training = false;
};

// As many values as asked for, in parameters of 16 MiB.
class Ballast : public Module<float> {
 public:
  explicit Ballast(std::int64_t mebibytes) {
    constexpr std::int64_t kLargest = 16;
    Rng rng(1);
    for (std::int64_t left = mebibytes; left > 0; left -= kLargest) {
      auto values = Tensor<float>::uninitialized({std::min(left, kLargest), 1 << 18});
      rng.stream("ballast", left).fill_normal<float>(values.mutable_values(), 0, 1);
      parameters_.emplace_back();
      parameters_.back().assign(values);
    }
  }
  void visit(Visitor<float>& visitor) override {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      visitor(std::to_string(i), parameters_[i]);
    }
  }
  Variable<float> forward(const Variable<float>& x, const Context<float>&) const override {
    return x;
  }

 private:
  std::vector<Parameter<float>> parameters_;
};

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

constexpr std::size_t kBlock = std::size_t{1} << 20;

void write_plainly(const std::string& path, const std::vector<char>& bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  require(file >= 0, "open");
  for (std::size_t done = 0; done < bytes.size(); done += kBlock) {
    const std::size_t count = std::min(kBlock, bytes.size() - done);
    require(write(file, bytes.data() + done, count) == static_cast<ssize_t>(count), "write");
  }
  require(fsync(file) == 0, "fsync");
  close(file);
}

void read_plainly(const std::string& path, std::vector<char>& bytes) {
  const int file = open(path.c_str(), O_RDONLY);
  require(file >= 0, "open");
  for (std::size_t done = 0; done < bytes.size(); done += kBlock) {
    const std::size_t count = std::min(kBlock, bytes.size() - done);
    require(read(file, bytes.data() + done, count) == static_cast<ssize_t>(count), "read");
  }
  close(file);
}

class Timer {
 public:
  explicit Timer(std::string name) : name_(std::move(name)) {}
  void time(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    seconds_.push_back(taken.count());
  }
  double median() const {
    std::vector<double> sorted = seconds_;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
  void print(double mebibytes) const {
    const auto [least, most] = std::minmax_element(seconds_.begin(), seconds_.end());
    std::printf("%-18s %8.0f MiB/s   (%.0f to %.0f)\n", name_.c_str(), mebibytes / median(),
                mebibytes / *most, mebibytes / *least);
  }

 private:
  std::string name_;
  std::vector<double> seconds_;
};

void measure(const Options& options) {
  const std::string path = options.folder + "/checkpoint_bench.lamina";
  const std::string plain = options.folder + "/checkpoint_bench.plain";
  Ballast net(options.mebibytes);
  save_checkpoint(path, net);
  std::vector<char> bytes(static_cast<std::size_t>(std::filesystem::file_size(path)));
  read_plainly(path, bytes);
  load_checkpoint(path, net);

  Timer plain_write("write and fsync"), save("save_checkpoint");
  Timer plain_read("read"), load("load_checkpoint");
  const auto write_both = [&](bool plain_first) {
    for (const bool plain_now : {plain_first, !plain_first}) {
      std::filesystem::remove(plain_now ? plain : path);
      if (plain_now) {
        plain_write.time([&] { write_plainly(plain, bytes); });
      } else {
        save.time([&] { save_checkpoint(path, net); });
      }
    }
  };
  for (int round = 0; round < options.rounds; ++round) {
    write_both(round % 2 == 0);  // a disk is slower after much work
    plain_read.time([&] { read_plainly(path, bytes); });
    load.time([&] { load_checkpoint(path, net); });
  }
  BackgroundSaver saver;
  Timer call("background call");
  for (int round = 0; round < options.rounds; ++round) {
    call.time([&] { saver.save_checkpoint(path, CheckpointParts<float>{net}); });
    saver.wait();
  }
  std::filesystem::remove(plain);
  std::filesystem::remove(path);
  const double mebibytes = static_cast<double>(bytes.size()) / (1 << 20);
  for (const Timer* timer : {&plain_write, &save, &plain_read, &load}) timer->print(mebibytes);
  std::printf("the call of a background save takes %.3f ms\n", 1000 * call.median());
  std::printf("saving %.0f %%, loading %.0f %%\n", 100 * plain_write.median() / save.median(),
              100 * plain_read.median() / load.median());
}

void measure_training(const Options& options) {
  bench::print_checkpoint_training_heading();
  for (const std::int64_t mebibytes : {std::int64_t{0}, options.mebibytes}) {
    bench::measure_checkpoint_training(
        {.folder = options.folder, .mebibytes = mebibytes, .rounds = options.rounds});
  }
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app("How fast checkpoints are written and read, beside what the system does.");
  app.add_option("--folder", options.folder, "where the files go")->capture_default_str();
  app.add_option("--mebibytes", options.mebibytes, "size of the network")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--rounds", options.rounds)->check(CLI::Range(1, 1 << 20))->capture_default_str();
  app.add_flag("--training", options.training, "what background saves cost a training");
  CLI11_PARSE(app, argc, argv);
  if (options.training) {
    measure_training(options);
  } else {
    measure(options);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "checkpoint_bench: %s\n", error.what());
  return 1;
}
