// A simulated disk that can lose its power after any operation.
//
// What a file system promises and no more: after a crash, of every file what was written before its
// last fsync is there, and of what was written since then any subset of its 512-byte sectors, with
// the new length or without; of the operations on the folder (create, rename, remove) since its
// last fsync the first few, in their order. images() lists what may be found.
#pragma once

#include <cerrno>
#include <functional>
#include <lamina/serialization/file_system.hpp>
#include <map>
#include <memory>
#include <random>
#include <serialization/fake_file_system.hpp>
#include <set>
#include <string>
#include <system_error>
#include <vector>

namespace lamina::test {

class CrashDisk : public FileSystem {
 public:
  static constexpr std::size_t kSector = 512;

  // Called after every operation, when the power may fail.
  std::function<void(const std::string& operation)> after_operation = [](const std::string&) {};
  bool ignores_fsync = false;         // a disk that lies: for the test of the test
  bool ignores_folder_fsync = false;  //
  std::size_t bytes_per_write = kSector;

  // Calls `look` with every image that a crash may leave now; of more than 2^12 subsets of sectors,
  // 4096 are drawn.
  void images(const std::function<void(FakeFileSystem&)>& look) {
    for (const Folder& folder : folder_states_) {
      std::vector<Choice> choices;
      for (const auto& [name, file] : folder) {
        if (file->now.size() != file->durable.size()) choices.push_back({file.get(), kLength});
        for (const std::size_t sector : file->dirty) choices.push_back({file.get(), sector});
      }
      const bool all = choices.size() <= 12;
      for (std::uint64_t subset = 0; subset < (all ? 1u << choices.size() : 4096u); ++subset) {
        FakeFileSystem image = image_of(folder, choices, all ? subset : random_());
        look(image);
      }
    }
  }

  Entry entry(const std::string& path) override {
    if (path == "." || path == "run") return Entry::folder;
    return now().contains(path) ? Entry::file : Entry::nothing;
  }
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    require(!now().contains(path), EEXIST, "create");
    auto file = std::make_shared<File>();
    change([&](Folder& folder) { folder[path] = file; });
    after_operation("create");
    return std::make_unique<Writable>(*this, file);
  }
  std::unique_ptr<ReadableFile> open(const std::string&) override {
    throw std::system_error(ENOTSUP, std::generic_category(), "open");
  }
  void rename(const std::string& from, const std::string& to) override {
    require(now().contains(from), ENOENT, "rename");
    change([&](Folder& folder) {
      folder[to] = folder[from];
      folder.erase(from);
    });
    after_operation("rename");
  }
  bool rename_new(const std::string& from, const std::string& to) override {
    if (now().contains(to)) return false;
    // As the real one does it, with a crash between the two.
    change([&](Folder& folder) { folder[to] = folder[from]; });
    after_operation("link");
    remove(from);
    return true;
  }
  void remove(const std::string& path) override {
    require(now().contains(path), ENOENT, "remove");
    change([&](Folder& folder) { folder.erase(path); });
    after_operation("remove");
  }
  void make_folder(const std::string&) override {}
  void sync_folder(const std::string&) override {
    if (!ignores_folder_fsync) folder_states_ = {now()};
    after_operation("fsync folder");
  }
  std::vector<std::string> list(const std::string&) override {
    std::vector<std::string> names;
    for (const auto& [path, file] : now()) names.push_back(path.substr(path.rfind('/') + 1));
    return names;
  }

 private:
  static constexpr std::size_t kLength = SIZE_MAX;

  struct File {
    std::string durable, now;
    std::set<std::size_t> dirty;  // numbers of sectors
  };
  using Folder = std::map<std::string, std::shared_ptr<File>>;
  struct Choice {
    const File* file;
    std::size_t sector;  // or kLength
  };

  class Writable : public WritableFile {
   public:
    Writable(CrashDisk& disk, std::shared_ptr<File> file) : disk_(disk), file_(std::move(file)) {}
    void reserve(std::uint64_t bytes) override {
      file_->now.resize(bytes);
      disk_.after_operation("reserve");
    }
    std::size_t write(std::span<const std::byte> bytes) override {
      const std::size_t count = std::min(bytes.size(), disk_.bytes_per_write);
      file_->now.resize(std::max(file_->now.size(), end_ + count));
      std::memcpy(&file_->now[end_], bytes.data(), count);
      for (std::size_t s = end_ / kSector; s * kSector < end_ + count; ++s) file_->dirty.insert(s);
      end_ += count;
      disk_.after_operation("write");
      return count;
    }
    void sync() override {
      if (!disk_.ignores_fsync) {
        file_->durable = file_->now;
        file_->dirty.clear();
      }
      disk_.after_operation("fsync");
    }
    void close() override { disk_.after_operation("close"); }

   private:
    CrashDisk& disk_;
    std::shared_ptr<File> file_;
    std::size_t end_ = 0;
  };

  static void require(bool holds, int code, const char* operation) {
    if (!holds) throw std::system_error(code, std::generic_category(), operation);
  }
  const Folder& now() const { return folder_states_.back(); }
  template <class Change>
  void change(const Change& change) {
    Folder next = now();
    change(next);
    folder_states_.push_back(std::move(next));
  }

  FakeFileSystem image_of(const Folder& folder, const std::vector<Choice>& choices,
                          std::uint64_t subset) const {
    std::map<const File*, std::string> contents;
    for (const auto& [name, file] : folder) contents[file.get()] = file->durable;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if (!((subset >> (i % 64)) & 1)) continue;
      const File& file = *choices[i].file;
      std::string& content = contents[&file];
      if (choices[i].sector == kLength) {
        content.resize(std::max(content.size(), file.now.size()));
        continue;
      }
      const std::size_t begin = choices[i].sector * kSector;
      const std::size_t count = std::min(kSector, file.now.size() - begin);
      content.resize(std::max(content.size(), begin + count));
      content.replace(begin, count, file.now, begin, count);
    }
    FakeFileSystem image;
    image.folders.insert("run");
    for (const auto& [name, file] : folder) image.files[name] = contents[file.get()];
    return image;
  }

  std::vector<Folder> folder_states_{Folder{}};  // the durable one, then one after each operation
  std::mt19937_64 random_{1};
};

}  // namespace lamina::test
