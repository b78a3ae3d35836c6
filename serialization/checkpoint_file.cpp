#include <algorithm>
#include <lamina/serialization/checkpoint_file.hpp>
#include <lamina/serialization/detail/checkpoint_content.hpp>
#include <lamina/serialization/detail/crc32c.hpp>

namespace lamina {

namespace {

template <class Entries>
auto find_entry(const Entries& entries, std::string_view name) {
  const auto found = std::lower_bound(
      entries.begin(), entries.end(), name,
      [](const auto& entry, std::string_view wanted) { return entry.name < wanted; });
  return found != entries.end() && found->name == name ? found : entries.end();
}

}  // namespace

CheckpointFile::CheckpointFile(std::string path, FileSystem& files)
    : path_(std::move(path)),
      reader_(std::make_unique<detail::ContainerReader>(
          files, detail::FileTask{.who = "checkpoint_file", .path = path_})) {
  for (const detail::TensorEntry& entry : reader_->manifest().tensors) {
    tensors_.push_back({.name = entry.name,
                        .dtype = entry.dtype,
                        .shape = entry.shape,
                        .offset = reader_->offset_in_file(entry),
                        .bytes = entry.bytes,
                        .checksum = entry.checksum});
  }
  for (const detail::ValueEntry& entry : reader_->manifest().values) {
    std::visit([&](const auto& held) { values_.add(entry.name, held); }, entry.value);
  }
  viewed_.resize(tensors_.size());
}

CheckpointFile::~CheckpointFile() = default;
CheckpointFile::CheckpointFile(CheckpointFile&&) noexcept = default;
CheckpointFile& CheckpointFile::operator=(CheckpointFile&&) noexcept = default;

std::uint64_t CheckpointFile::size() const noexcept { return reader_->size(); }

const std::string& CheckpointFile::library_version() const noexcept {
  return reader_->manifest().library_version;
}

std::map<std::string, std::string> CheckpointFile::metadata() const {
  std::map<std::string, std::string> found;
  for (const auto& [name, value] : values_) {
    const auto* text = std::get_if<std::string>(&value);
    if (text && name.starts_with(detail::kMetadataPrefix)) {
      found.emplace(name.substr(detail::kMetadataPrefix.size()), *text);
    }
  }
  return found;
}

std::vector<CheckpointFile::ModuleInfo> CheckpointFile::architecture() const {
  std::vector<ModuleInfo> modules;
  for (const detail::ModuleRecord& record : reader_->manifest().architecture) {
    modules.push_back({record.path, record.type});
  }
  return modules;
}

bool CheckpointFile::has_architecture() const noexcept {
  return !reader_->manifest().architecture.empty();
}

bool CheckpointFile::contains(std::string_view name) const noexcept {
  return values_.contains(name) || find_entry(tensors_, name) != tensors_.end();
}

StateValue CheckpointFile::read(std::string_view name) const {
  if (const StateValue* value = values_.find(name)) return *value;
  return reader_->read(entry(name));
}

template <Element E>
Tensor<E> CheckpointFile::tensor(std::string_view name) const {
  return std::get<Tensor<E>>(reader_->read(entry(name, dtype_of<E>())));
}

template <Element E>
std::span<const E> CheckpointFile::view(std::string_view name) const {
  const auto bytes = checked_bytes(entry(name, dtype_of<E>()));
  // Tensors begin at multiples of 64 in the file, and a mapping at a page.
  return {reinterpret_cast<const E*>(bytes.data()), bytes.size() / sizeof(E)};
}

void CheckpointFile::verify() const { reader_->verify(); }

const detail::TensorEntry& CheckpointFile::entry(std::string_view name) const {
  const auto& entries = reader_->manifest().tensors;
  const auto found = find_entry(entries, name);
  if (found == entries.end()) {
    const bool is_value = values_.contains(name);
    reader_->task().fail("hold a tensor '" + std::string(name) + "'",
                         is_value ? "a value of that name that is no tensor" : "none of that name");
  }
  return *found;
}

const detail::TensorEntry& CheckpointFile::entry(std::string_view name, DType dtype) const {
  const detail::TensorEntry& found = entry(name);
  if (found.dtype != dtype) {
    reader_->task().fail("hold '" + found.name + "' as " + std::string(name_of(dtype)),
                         std::string(name_of(found.dtype)));
  }
  return found;
}

std::span<const std::byte> CheckpointFile::checked_bytes(const detail::TensorEntry& entry) const {
  const auto bytes = reader_->mapped(entry);
  const auto index = static_cast<std::size_t>(&entry - reader_->manifest().tensors.data());
  if (!viewed_[index]) {
    reader_->require_checksum(entry, detail::crc32c(bytes));
    viewed_[index] = true;
  }
  return bytes;
}

void save_state(const std::string& path, const StateDict& state, FileSystem& files) {
  detail::atomic_save(files, {.who = "save_state", .path = path},
                      [&](detail::Sink& sink) { detail::write_container(sink, state, {}); });
}

StateDict read_state(const std::string& path, FileSystem& files) {
  return detail::ContainerReader(files, {.who = "read_state", .path = path}).read("");
}

#define LAMINA_INSTANTIATE(E)                                        \
  template Tensor<E> CheckpointFile::tensor(std::string_view) const; \
  template std::span<const E> CheckpointFile::view(std::string_view) const;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
LAMINA_INSTANTIATE(std::int64_t)
LAMINA_INSTANTIATE(std::uint8_t)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
