#include <cerrno>
#include <cstring>
#include <lamina/autograd/tensor/detail/file.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <system_error>

namespace lamina::detail {
namespace {

[[noreturn]] void refuse(const char* who, const std::string& name, const char* what,
                         const std::string& reason) {
  // An empty name would not be seen.
  throw DataError(who, (name.empty() ? "''" : name) + " must be " + what + "; got " + reason);
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path, const char* who)
    : name_(path.string()), who_(who) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    refuse(who, name_, "a readable file", "no such file");
  }
  if (!error && !std::filesystem::is_regular_file(status)) {
    refuse(who, name_, "a readable file",
           std::filesystem::is_directory(status) ? "a folder" : "no regular file");
  }
  if (!error) size_ = std::filesystem::file_size(path, error);
  if (error) refuse(who, name_, "a readable file", error.message());
  file_.reset(std::fopen(name_.c_str(), "rb"));
  if (!file_) refuse(who, name_, "a readable file", std::strerror(errno));
}

std::size_t InputFile::read(void* to, std::size_t bytes) {
  if (bytes == 0) return 0;
  const std::size_t count = std::fread(to, 1, bytes, file_.get());
  if (count < bytes && std::ferror(file_.get())) {
    refuse(who_, name_, "readable to its end", std::strerror(errno));
  }
  return count;
}

void write_file(const std::filesystem::path& path, const char* who,
                std::initializer_list<std::span<const std::byte>> parts) {
  const std::string name = path.string();
  std::FILE* file = std::fopen(name.c_str(), "wb");
  if (!file) refuse(who, name, "writable", std::strerror(errno));
  bool good = true;
  for (const auto& part : parts) {
    good = good && std::fwrite(part.data(), 1, part.size(), file) == part.size();
  }
  good = good && std::fflush(file) == 0;
  const int reason = errno;
  if (std::fclose(file) != 0 && good) refuse(who, name, "writable", std::strerror(errno));
  if (!good) refuse(who, name, "writable", std::strerror(reason));
}

}  // namespace lamina::detail
