// A file system in memory whose operations can be made to fail, each by its number, once or from
// then on.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <lamina/serialization/file_system.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace lamina::test {

class FakeFileSystem : public FileSystem {
 public:
  std::map<std::string, std::string> files;  // path -> content
  std::set<std::string> folders{"."};

  std::vector<std::string> operations;  // names, in order, of those since the last reset
  std::size_t fail_at = SIZE_MAX;       // number of the operation that fails
  bool fail_ever_after = false;
  int failure = EIO;
  std::size_t bytes_per_write = SIZE_MAX;  // short writes
  std::size_t bytes_per_read = SIZE_MAX;
  std::size_t capacity = SIZE_MAX;  // bytes of all files: ENOSPC beyond

  // Everything works again; the content stays.
  void reset() {
    operations.clear();
    fail_at = SIZE_MAX;
    fail_ever_after = false;
    failure = EIO;
    bytes_per_write = bytes_per_read = capacity = SIZE_MAX;
  }

  // Paths of files other than `path`.
  std::vector<std::string> others(const std::string& path) const {
    std::vector<std::string> found;
    for (const auto& [name, content] : files) {
      if (name != path) found.push_back(name);
    }
    return found;
  }

  Entry entry(const std::string& path) override {
    if (folders.contains(path)) return Entry::folder;
    return files.contains(path) ? Entry::file : Entry::nothing;
  }
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    operate("create");
    require(folders.contains(parent(path)), ENOENT, "create");
    require(!files.contains(path), EEXIST, "create");
    files[path];
    return std::make_unique<Writable>(*this, path);
  }
  std::unique_ptr<ReadableFile> open(const std::string& path) override {
    operate("open");
    require(files.contains(path), ENOENT, "open");
    return std::make_unique<Readable>(*this, path);
  }
  void rename(const std::string& from, const std::string& to) override {
    operate("rename");
    require(files.contains(from), ENOENT, "rename");
    std::string content = std::move(files[from]);
    files.erase(from);
    files[to] = std::move(content);
  }
  bool rename_new(const std::string& from, const std::string& to) override {
    operate("rename");
    require(files.contains(from), ENOENT, "rename");
    if (files.contains(to)) return false;
    files[to] = files[from];
    try {  // as the real one: two names, then one, or two where that fails
      remove(from);
    } catch (const std::system_error&) {
    }
    return true;
  }
  void remove(const std::string& path) override {
    operate("remove");
    require(files.erase(path) == 1, ENOENT, "remove");
  }
  void make_folder(const std::string& path) override {
    operate("mkdir");
    folders.insert(path);
  }
  void sync_folder(const std::string& path) override {
    operate("fsync folder");
    require(folders.contains(path), ENOENT, "fsync folder");
  }
  std::vector<std::string> list(const std::string& folder) override {
    operate("list");
    require(folders.contains(folder), ENOENT, "list");
    std::vector<std::string> names;
    for (const auto& [path, content] : files) {
      if (parent(path) == folder) names.push_back(path.substr(path.rfind('/') + 1));
    }
    std::reverse(names.begin(), names.end());  // no order is promised
    return names;
  }

 private:
  class Writable : public WritableFile {
   public:
    Writable(FakeFileSystem& system, std::string path) : system_(system), path_(std::move(path)) {}
    // Only noted: room is not made, so that a full disk shows while it is written.
    void reserve(std::uint64_t) override { system_.operate("reserve"); }
    std::size_t write(std::span<const std::byte> bytes) override {
      system_.operate("write");
      const std::size_t space = system_.capacity - std::min(system_.capacity, system_.used());
      const std::size_t count = std::min({bytes.size(), system_.bytes_per_write, space});
      require(count > 0, ENOSPC, "write");
      system_.files.at(path_).append(reinterpret_cast<const char*>(bytes.data()), count);
      return count;
    }
    void sync() override { system_.operate("fsync"); }
    void close() override { system_.operate("close"); }

   private:
    FakeFileSystem& system_;
    std::string path_;
  };

  class Readable : public ReadableFile {
   public:
    Readable(FakeFileSystem& system, std::string path) : system_(system), path_(std::move(path)) {}
    std::uint64_t size() const override { return system_.files.at(path_).size(); }
    std::size_t read(std::uint64_t offset, std::span<std::byte> bytes) override {
      system_.operate("read");
      const std::string& content = system_.files.at(path_);
      const std::size_t begin = std::min<std::size_t>(offset, content.size());
      const std::size_t count =
          std::min({bytes.size(), content.size() - begin, system_.bytes_per_read});
      std::memcpy(bytes.data(), content.data() + begin, count);
      return count;
    }
    std::span<const std::byte> mapped() override {
      system_.operate("map");
      return std::as_bytes(std::span(system_.files.at(path_)));
    }

   private:
    FakeFileSystem& system_;
    std::string path_;
  };

  static void require(bool holds, int code, const char* operation) {
    if (!holds) throw std::system_error(code, std::generic_category(), operation);
  }
  static std::string parent(const std::string& path) {
    return path.substr(0, std::min(path.rfind('/'), path.size()));
  }
  void operate(const char* operation) {
    const std::size_t number = operations.size();
    operations.emplace_back(operation);
    require(number != fail_at && !(fail_ever_after && number > fail_at), failure, operation);
  }
  std::size_t used() const {
    std::size_t bytes = 0;
    for (const auto& [path, content] : files) bytes += content.size();
    return bytes;
  }
};

}  // namespace lamina::test
