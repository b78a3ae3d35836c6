// FileReader: a file read by offsets, whose failures are the task's CheckpointErrors.
//
// Thread-safety: one thread per reader.
#pragma once

#include <lamina/serialization/detail/file_error.hpp>
#include <lamina/serialization/file_system.hpp>
#include <memory>
#include <span>

namespace lamina::detail {

class FileReader {
 public:
  FileReader(FileSystem& files, FileTask task);

  std::uint64_t size() const noexcept { return size_; }  // when it was opened
  const FileTask& task() const noexcept { return task_; }

  // Fills `bytes`; the file must hold them.
  void read(std::uint64_t offset, std::span<std::byte> bytes);

 private:
  FileTask task_;
  std::unique_ptr<ReadableFile> file_;
  std::uint64_t size_ = 0;
};

// Little-endian unsigned integers as they lie in foreign files. `Integer` fits into `bytes`.
template <class Integer>
Integer little_endian(std::span<const std::byte> bytes) noexcept {
  Integer value = 0;
  for (std::size_t i = sizeof(Integer); i-- > 0;) {
    value =
        static_cast<Integer>(std::uint64_t{value} << 8 | std::to_integer<std::uint64_t>(bytes[i]));
  }
  return value;
}

}  // namespace lamina::detail
