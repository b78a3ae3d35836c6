// Reading and writing of whole files of data, for the readers of formats. Internal.
//
// Every failure is a DataError "[who] FILE must ...; got REASON". Only regular files are opened: a
// folder, a pipe or a device is refused before anything could block or never end.
// Thread-safety: one thread uses an object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

namespace lamina::detail {

class InputFile {
 public:
  InputFile(const std::filesystem::path& path, const char* who);

  const std::string& name() const noexcept { return name_; }
  const char* who() const noexcept { return who_; }
  std::uint64_t size() const noexcept { return size_; }  // bytes, when it was opened

  // The number of bytes read: fewer than asked for only at the end.
  std::size_t read(void* to, std::size_t bytes);

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::string name_;
  const char* who_;
  std::uint64_t size_ = 0;
  std::unique_ptr<std::FILE, Close> file_;
};

// Replaces the file by the parts, one after the other.
void write_file(const std::filesystem::path& path, const char* who,
                std::initializer_list<std::span<const std::byte>> parts);

}  // namespace lamina::detail
