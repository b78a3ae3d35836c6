// The bytes under attack as a file with a path, for readers that take one.
#pragma once

#include <filesystem>
#include <string>

#include "support/files.hpp"

namespace lamina::test {

class DamagedFile {
 public:
  explicit DamagedFile(const std::string& bytes) {
    static const TemporaryFolder folder(Medium::memory);
    path_ = folder / "damaged";
    write_bytes(path_, bytes);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// What a writer that takes a path would write.
template <class Write>
std::string written_by(const Write& write) {
  static const TemporaryFolder folder(Medium::memory);
  write(folder / "written");
  return read_bytes(folder / "written");
}

}  // namespace lamina::test
