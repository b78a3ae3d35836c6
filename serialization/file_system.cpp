#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <lamina/serialization/file_system.hpp>
#include <system_error>

namespace lamina {

namespace {

[[noreturn]] void fail(const char* operation) {
  throw std::system_error(errno, std::generic_category(), operation);
}

// Repeats a system call that a signal interrupted.
template <class Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

int opened(const char* operation, const std::string& path, int flags) {
  const int descriptor =
      uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); });
  if (descriptor < 0) fail(operation);
  return descriptor;
}

// Linux moves at most this much per call.
constexpr std::size_t kLargestTransfer = std::size_t{1} << 30;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const noexcept { return number_; }
  // After EINTR the descriptor is closed on Linux: repeating would close somebody else's.
  void close() {
    const int number = number_;
    number_ = -1;
    if (number >= 0 && ::close(number) != 0 && errno != EINTR) fail("close");
  }

 private:
  int number_;
};

class PosixWritableFile : public WritableFile {
 public:
  explicit PosixWritableFile(const std::string& path)
      : descriptor_(opened("create", path, O_WRONLY | O_CREAT | O_EXCL)) {}
  // Not every file system can; only one that is full is a failure.
  void reserve(std::uint64_t bytes) override {
    if (bytes == 0) return;
    const int done = uninterrupted(
        [&] { return ::fallocate(descriptor_.number(), 0, 0, static_cast<off_t>(bytes)); });
    if (done != 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) fail("reserve");
  }
  std::size_t write(std::span<const std::byte> bytes) override {
    const ssize_t written = uninterrupted([&] {
      return ::write(descriptor_.number(), bytes.data(), std::min(bytes.size(), kLargestTransfer));
    });
    if (written < 0) fail("write");
    start_writing_back(written);
    return static_cast<std::size_t>(written);
  }
  void sync() override {
    if (uninterrupted([&] { return ::fsync(descriptor_.number()); }) != 0) fail("fsync");
  }
  void close() override { descriptor_.close(); }

 private:
  // Lets the disk work while the rest is written: fsync alone would only begin at the end. A hint,
  // whose failure the next write or fsync will tell.
  void start_writing_back(off_t written) {
    constexpr off_t kEnough = off_t{8} << 20;
    end_ += written;
    if (end_ - begun_ < kEnough) return;
    ::sync_file_range(descriptor_.number(), begun_, end_ - begun_, SYNC_FILE_RANGE_WRITE);
    begun_ = end_;
  }

  Descriptor descriptor_;
  off_t end_ = 0;    // of what was written
  off_t begun_ = 0;  // up to here the disk was told to write
};

struct Unmap {
  std::uint64_t size = 0;
  void operator()(const std::byte* memory) const { ::munmap(const_cast<std::byte*>(memory), size); }
};
using Mapping = std::unique_ptr<const std::byte, Unmap>;

class PosixReadableFile : public ReadableFile {
 public:
  // Without O_NONBLOCK a pipe of that name would hang the program.
  explicit PosixReadableFile(const std::string& path)
      : descriptor_(opened("open", path, O_RDONLY | O_NONBLOCK)) {
    struct stat status {};
    if (::fstat(descriptor_.number(), &status) != 0) fail("stat");
    if (!S_ISREG(status.st_mode)) {
      errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
      fail("open");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
  std::uint64_t size() const override { return size_; }
  std::size_t read(std::uint64_t offset, std::span<std::byte> bytes) override {
    const ssize_t count = uninterrupted([&] {
      return ::pread(descriptor_.number(), bytes.data(), std::min(bytes.size(), kLargestTransfer),
                     static_cast<off_t>(offset));
    });
    if (count < 0) fail("read");
    return static_cast<std::size_t>(count);
  }
  std::span<const std::byte> mapped() override {
    if (!mapping_ && size_ > 0) {
      void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_.number(), 0);
      if (memory == MAP_FAILED) fail("map");
      mapping_ = Mapping(static_cast<const std::byte*>(memory), Unmap{size_});
    }
    return {mapping_.get(), mapping_ ? static_cast<std::size_t>(size_) : 0};
  }

 private:
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
  Mapping mapping_;
};

class PosixFileSystem : public FileSystem {
 public:
  Entry entry(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return Entry::nothing;
    if (S_ISREG(status.st_mode)) return Entry::file;
    return S_ISDIR(status.st_mode) ? Entry::folder : Entry::other;
  }
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    return std::make_unique<PosixWritableFile>(path);
  }
  std::unique_ptr<ReadableFile> open(const std::string& path) override {
    return std::make_unique<PosixReadableFile>(path);
  }
  // rename() would also replace a device, such as /dev/null.
  void rename(const std::string& from, const std::string& to) override {
    struct stat status {};
    if (::lstat(to.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
      errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
      fail("rename");
    }
    if (::rename(from.c_str(), to.c_str()) != 0) fail("rename");
  }
  // A second name, then the first one away: a link never replaces anything. File systems without
  // links have the system call.
  bool rename_new(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) {
      ::unlink(from.c_str());  // a temporary name that stays is swept later
      return true;
    }
    if (errno == EEXIST) return false;
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
      return true;
    }
    if (errno == EEXIST) return false;
    fail("rename");
  }
  void remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) fail("remove");
  }
  void make_folder(const std::string& path) override {
    for (std::size_t end = 0; end != std::string::npos;) {
      end = path.find('/', end + 1);
      const std::string part = path.substr(0, end);
      if (::mkdir(part.c_str(), 0777) == 0) continue;
      const int reason = errno;
      struct stat status {};
      const bool there = ::stat(part.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
      if (there) continue;
      errno = reason;
      fail("mkdir");
    }
  }
  void sync_folder(const std::string& path) override {
    Descriptor folder(opened("open folder", path, O_RDONLY | O_DIRECTORY));
    // Some network file systems cannot do it, and say so by EINVAL.
    if (uninterrupted([&] { return ::fsync(folder.number()); }) != 0 && errno != EINVAL) {
      fail("fsync folder");
    }
    folder.close();
  }
  std::vector<std::string> list(const std::string& folder) override {
    DIR* stream = ::opendir(folder.c_str());
    if (!stream) fail("list");
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(stream, ::closedir);
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(stream);
      if (!entry) break;
      names.emplace_back(entry->d_name);
    }
    if (errno != 0) fail("list");
    std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
    return names;
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem system;
  return system;
}

}  // namespace lamina
