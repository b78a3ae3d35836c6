// FileSystem: the few file operations that checkpoints are made of, as an interface, so that tests
// can let each of them fail and crash between any two.
//
// Paths are those of the operating system. Failures are std::system_error with the errno as code
// and the operation's name as text; the callers turn them into CheckpointError with the file's
// name. Thread-safety: a file object belongs to one thread; a file system may be used by many.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace lamina {

// A new file that is being written. Destroying it without close() closes it and hides failures.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Says how long the file will become, so that room is made at once, or is known to be missing.
  virtual void reserve(std::uint64_t bytes) { (void)bytes; }
  // Appends at least one and at most all of the bytes; returns how many.
  virtual std::size_t write(std::span<const std::byte> bytes) = 0;
  virtual void sync() = 0;  // what was written survives a power failure
  virtual void close() = 0;
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual std::uint64_t size() const = 0;
  // Reads at least one byte of those that exist at `offset`; returns how many, 0 at the end of the
  // file.
  virtual std::size_t read(std::uint64_t offset, std::span<std::byte> bytes) = 0;
  // The whole content in memory, as long as the file object lives.
  virtual std::span<const std::byte> mapped() {
    throw std::system_error(ENOTSUP, std::generic_category(), "map");
  }
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // What stands under a name; links are followed. Never fails: what cannot be looked at is
  // `nothing`, and the operation that follows says why.
  enum class Entry { nothing, file, folder, other };  // other: a device, a pipe, a socket
  virtual Entry entry(const std::string& path) = 0;
  // Fails when the file exists.
  virtual std::unique_ptr<WritableFile> create(const std::string& path) = 0;
  virtual std::unique_ptr<ReadableFile> open(const std::string& path) = 0;
  // Replaces `to` in one step.
  virtual void rename(const std::string& from, const std::string& to) = 0;
  // Gives `from` the name `to` in one step, unless something has that name: then false.
  virtual bool rename_new(const std::string& from, const std::string& to) = 0;
  virtual void remove(const std::string& path) = 0;
  virtual void make_folder(
      const std::string& path) = 0;  // with its parents; no failure when it exists
  virtual void sync_folder(
      const std::string& path) = 0;  // renames and removals survive a power failure
  virtual std::vector<std::string> list(const std::string& folder) = 0;  // names, in any order
};

// The real one.
FileSystem& posix_file_system();

}  // namespace lamina
