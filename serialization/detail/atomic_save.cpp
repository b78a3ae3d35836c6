#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <lamina/serialization/detail/atomic_save.hpp>
#include <mutex>
#include <random>
#include <set>
#include <string_view>

namespace lamina::detail {

namespace {

// Tells this process from an earlier one that had the same id (in containers that is the rule).
const std::string& process_token() {
  static const std::string token = [] {
    std::random_device device;
    const std::uint64_t number = std::uint64_t{device()} << 32 | device();
    char text[17] = {};
    std::to_chars(text, text + 16, number, 16);
    return std::string(text);
  }();
  return token;
}

// The saves of this process that are under way, by number. A temporary file of a number that is not
// among them is one that could not be removed at its time.
class SavesUnderWay {
 public:
  std::uint64_t begin() {
    const std::lock_guard lock(mutex_);
    numbers_.insert(next_);
    return next_++;
  }
  void end(std::uint64_t number) noexcept {
    const std::lock_guard lock(mutex_);
    numbers_.erase(number);
  }
  bool contains(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    return numbers_.contains(number);
  }

 private:
  std::mutex mutex_;
  std::set<std::uint64_t> numbers_;
  std::uint64_t next_ = 0;
};

SavesUnderWay& saves_under_way() {
  static SavesUnderWay saves;
  return saves;
}

class SaveNumber {
 public:
  SaveNumber() : value_(saves_under_way().begin()) {}
  SaveNumber(const SaveNumber&) = delete;
  SaveNumber& operator=(const SaveNumber&) = delete;
  ~SaveNumber() { saves_under_way().end(value_); }
  std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_;
};

std::string temporary_prefix(const std::string& name) { return "." + name + ".tmp-"; }

std::string temporary_name(const std::string& name, const SaveNumber& number) {
  return temporary_prefix(name) + std::to_string(::getpid()) + "-" + process_token() + "-" +
         std::to_string(number.value());
}

bool alive(long process) { return ::kill(static_cast<pid_t>(process), 0) == 0 || errno == EPERM; }

// `rest`: what follows the number of this process in the name of a temporary file.
bool left_by_this_process(std::string_view rest) {
  if (!rest.starts_with(process_token() + "-")) return true;  // an earlier one of the same number
  rest.remove_prefix(process_token().size() + 1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return error == std::errc{} && end == rest.data() + rest.size() &&
         !saves_under_way().contains(number);
}

// Whether a name is that of a temporary file that nobody writes any more.
bool stale(const std::string& candidate, const std::string& name) {
  const std::string prefix = temporary_prefix(name);
  if (!candidate.starts_with(prefix)) return false;
  long process = 0;
  const char* last = candidate.data() + candidate.size();
  const auto [end, error] = std::from_chars(candidate.data() + prefix.size(), last, process);
  if (error != std::errc{} || process < 1 || end == last || *end != '-') return false;
  return process == ::getpid() ? left_by_this_process({end + 1, last}) : !alive(process);
}

// Old temporary files are no reason to refuse a save: failures are left for the next one.
void sweep(FileSystem& files, const std::string& folder, const std::string& name) {
  try {
    for (const std::string& candidate : files.list(folder)) {
      if (stale(candidate, name)) remove_if_possible(files, folder + "/" + candidate);
    }
  } catch (const std::system_error&) {
  }
}

// Removes the file unless it was renamed.
class TemporaryFile {
 public:
  TemporaryFile(FileSystem& files, const std::string& folder, const std::string& name)
      : files_(files),
        path_(folder + "/" + temporary_name(name, number_)),
        file_(files.create(path_)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (path_.empty()) return;
    file_.reset();
    remove_if_possible(files_, path_);
  }
  WritableFile& file() { return *file_; }
  void become(const std::string& path) {
    file_->close();
    files_.rename(path_, path);
    path_.clear();
  }
  // The first name that is free; returns it.
  std::string become_new(const std::function<std::string()>& next_path) {
    file_->close();
    std::string path = next_path();
    while (!files_.rename_new(path_, path)) path = next_path();
    path_.clear();
    return path;
  }

 private:
  FileSystem& files_;
  SaveNumber number_;  // ends after the file was removed
  std::string path_;
  std::unique_ptr<WritableFile> file_;
};

void fill(WritableFile& file, const std::function<void(Sink&)>& write) {
  Sink sink(file);
  write(sink);
  sink.flush();
  file.sync();
}

}  // namespace

void Sink::write(std::span<const std::byte> bytes) {
  if (waiting_.size() + bytes.size() > kCapacity) flush();
  if (bytes.size() > kCapacity) return pass_on(bytes);
  waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
}

void Sink::flush() {
  pass_on(waiting_);
  waiting_.clear();
}

void Sink::pass_on(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t count = file_.write(bytes);
    if (count == 0) throw std::system_error(EIO, std::generic_category(), "write");
    bytes = bytes.subspan(count);
  }
}

void remove_if_possible(FileSystem& files, const std::string& path) noexcept {
  try {
    files.remove(path);
  } catch (const std::exception&) {
  }
}

void atomic_save(FileSystem& files, const FileTask& task, const std::function<void(Sink&)>& write) {
  const std::string folder = folder_of(task.path);
  const std::string name = name_of(task.path);
  if (name.empty() || name == "." || name == "..") {
    task.fail("name a file", "a folder");
  }
  const auto there = files.entry(task.path);
  if (there == FileSystem::Entry::folder) task.fail("name a file", "a folder");
  if (there == FileSystem::Entry::other) {
    task.fail("be a regular file, or not be there yet", "a device, pipe or socket");
  }
  sweep(files, folder, name);
  try {
    TemporaryFile temporary(files, folder, name);
    fill(temporary.file(), write);
    temporary.become(task.path);
    files.sync_folder(folder);
  } catch (const std::system_error& error) {
    task.fail("be written", error);
  }
}

std::string atomic_save_new(FileSystem& files, const FileTask& task, const std::string& folder,
                            const std::string& series, const std::function<void(Sink&)>& write,
                            const std::function<std::string()>& next_name) {
  sweep(files, folder, series);
  try {
    TemporaryFile temporary(files, folder, series);
    fill(temporary.file(), write);
    std::string path = temporary.become_new([&] { return folder + "/" + next_name(); });
    files.sync_folder(folder);
    return path;
  } catch (const std::system_error& error) {
    task.fail("be written", error);
  }
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace lamina::detail
