#include <lamina/serialization/detail/file_reader.hpp>

namespace lamina::detail {

FileReader::FileReader(FileSystem& files, FileTask task) : task_(std::move(task)) {
  try {
    file_ = files.open(task_.path);
    size_ = file_->size();
  } catch (const std::system_error& error) {
    task_.fail("be a readable file", error);
  }
}

void FileReader::read(std::uint64_t offset, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    std::size_t count = 0;
    try {
      count = file_->read(offset, bytes);
    } catch (const std::system_error& error) {
      task_.fail("be readable at byte " + std::to_string(offset), error);
    }
    if (count == 0) {
      task_.fail("keep its length while it is read", "its end at byte " + std::to_string(offset));
    }
    offset += count;
    bytes = bytes.subspan(count);
  }
}

}  // namespace lamina::detail
