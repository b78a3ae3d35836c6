#include <algorithm>
#include <array>
#include <cstring>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/serialization/detail/file_reader.hpp>
#include <lamina/serialization/safetensors.hpp>
#include <lamina/serialization/tool/tensor_file.hpp>

namespace lamina::tool {

namespace {

struct Beginning {
  Format format;
  std::uint64_t size;
};

Beginning look_at(const std::string& path) {
  detail::FileReader reader(posix_file_system(), {.who = "lamina-checkpoint", .path = path});
  std::array<char, 9> bytes{};
  const auto held = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), reader.size()));
  reader.read(0, std::as_writable_bytes(std::span(bytes)).first(held));
  const std::string_view begin(bytes.data(), held);
  if (begin.starts_with("\x89LMN")) return {Format::lamina, reader.size()};
  if (begin.starts_with("PK")) return {Format::npz, reader.size()};
  if (held == 9 && begin[8] == '{') return {Format::safetensors, reader.size()};
  reader.task().fail("be a checkpoint, a safetensors or an npz file", "another beginning");
}

}  // namespace

std::string_view name_of(Format format) {
  switch (format) {
    case Format::lamina:
      return "lamina";
    case Format::safetensors:
      return "safetensors";
    case Format::npz:
      return "npz";
  }
  return "";
}

TensorFile::TensorFile(const std::string& path) : path_(path) {
  const Beginning beginning = look_at(path);
  format_ = beginning.format;
  size_ = beginning.size;
  if (format_ == Format::lamina) {
    checkpoint_.emplace(path);
    for (const auto& tensor : checkpoint_->tensors()) names_.push_back(tensor.name);
    for (const auto& [name, value] : checkpoint_->values()) names_.push_back(name);
    std::sort(names_.begin(), names_.end());
    return;
  }
  FileSystem& files = posix_file_system();
  values_ = format_ == Format::npz
                ? detail::open_npz(files, {.who = "load_npz", .path = path})
                : detail::open_safetensors(files, {.who = "load_safetensors", .path = path});
  names_ = values_->names();
}

StateValue TensorFile::read(const std::string& name) const {
  return checkpoint_ ? checkpoint_->read(name) : values_->read(name);
}

std::map<std::string, std::string> TensorFile::metadata() const {
  if (checkpoint_) return checkpoint_->metadata();
  if (format_ == Format::safetensors) return load_safetensors_metadata(path_);
  return {};
}

Format format_of_name(const std::string& path) {
  for (const Format format : {Format::lamina, Format::safetensors, Format::npz}) {
    std::string ending(".");
    ending += name_of(format);
    if (path.ends_with(ending)) return format;
  }
  throw ArgumentError("lamina-checkpoint",
                      "the target must end in .lamina, .safetensors or .npz; got '" + path + "'");
}

}  // namespace lamina::tool
