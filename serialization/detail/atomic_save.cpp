#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <lamina/serialization/detail/atomic_save.hpp>
#include <random>

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

std::string temporary_prefix(const std::string& name) { return "." + name + ".tmp-"; }

std::string temporary_name(const std::string& name) {
  static std::atomic<std::uint64_t> saves{0};
  return temporary_prefix(name) + std::to_string(::getpid()) + "-" + process_token() + "-" +
         std::to_string(saves.fetch_add(1));
}

bool alive(long process) { return ::kill(static_cast<pid_t>(process), 0) == 0 || errno == EPERM; }

// Whether a name is that of a temporary file whose process is gone.
bool stale(const std::string& candidate, const std::string& name) {
  const std::string prefix = temporary_prefix(name);
  if (!candidate.starts_with(prefix)) return false;
  long process = 0;
  const char* last = candidate.data() + candidate.size();
  const auto [end, error] = std::from_chars(candidate.data() + prefix.size(), last, process);
  if (error != std::errc{} || process < 1 || end == last || *end != '-') return false;
  if (process != ::getpid()) return !alive(process);
  return !std::string_view(end + 1, last).starts_with(process_token());
}

// Old temporary files are no reason to refuse a save: failures are left for the next one.
void sweep(FileSystem& files, const std::string& folder, const std::string& name) {
  try {
    for (const std::string& candidate : files.list(folder)) {
      if (stale(candidate, name)) files.remove(folder + "/" + candidate);
    }
  } catch (const std::system_error&) {
  }
}

// Removes the file unless it was renamed.
class TemporaryFile {
 public:
  TemporaryFile(FileSystem& files, std::string path)
      : files_(files), path_(std::move(path)), file_(files.create(path_)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (path_.empty()) return;
    file_.reset();
    try {
      files_.remove(path_);
    } catch (const std::exception&) {
    }
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
    TemporaryFile temporary(files, folder + "/" + temporary_name(name));
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
    TemporaryFile temporary(files, folder + "/" + temporary_name(series));
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
