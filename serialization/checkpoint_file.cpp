#include <algorithm>
#include <lamina/serialization/checkpoint_file.hpp>
#include <lamina/serialization/detail/checkpoint_content.hpp>
#include <lamina/serialization/detail/crc32c.hpp>

namespace lamina {

CheckpointFile::CheckpointFile(std::string path, FileSystem& files)
    : path_(std::move(path)),
      reader_(std::make_unique<detail::ContainerReader>(
          files, detail::FileTask{.who = "checkpoint_file", .path = path_})) {}

CheckpointFile::~CheckpointFile() = default;
CheckpointFile::CheckpointFile(CheckpointFile&&) noexcept = default;
CheckpointFile& CheckpointFile::operator=(CheckpointFile&&) noexcept = default;

std::uint64_t CheckpointFile::size() const noexcept { return reader_->size(); }

std::string CheckpointFile::library_version() const {
  return std::string(reader_->manifest().library_version());
}

const std::vector<CheckpointFile::TensorInfo>& CheckpointFile::tensors() const {
  if (tensors_) return *tensors_;
  std::vector<TensorInfo> tensors;
  for (auto entries = reader_->manifest().tensors(); const auto entry = entries.next();) {
    tensors.push_back({.name = std::string(entry->name),
                       .dtype = entry->dtype,
                       .shape = entry->shape,
                       .offset = reader_->offset_in_file(*entry),
                       .bytes = entry->bytes,
                       .checksum = entry->checksum});
  }
  return tensors_.emplace(std::move(tensors));
}

const StateDict& CheckpointFile::values() const {
  if (values_) return *values_;
  StateDict values;
  for (auto entries = reader_->manifest().values(); const auto entry = entries.next();) {
    values.add(std::string(entry->name), detail::value_of(*entry));
  }
  return values_.emplace(std::move(values));
}

std::map<std::string, std::string> CheckpointFile::metadata() const {
  std::map<std::string, std::string> found;
  for (auto entries = reader_->manifest().values(); const auto entry = entries.next();) {
    const auto* text = std::get_if<std::string_view>(&entry->value);
    if (text && entry->name.starts_with(detail::kMetadataPrefix)) {
      found.emplace(entry->name.substr(detail::kMetadataPrefix.size()), *text);
    }
  }
  return found;
}

std::vector<CheckpointFile::ModuleInfo> CheckpointFile::architecture() const {
  std::vector<ModuleInfo> modules;
  for (auto records = reader_->manifest().modules(); auto record = records.next();) {
    modules.push_back({std::move(record->path), std::move(record->type)});
  }
  return modules;
}

bool CheckpointFile::has_architecture() const noexcept {
  return reader_->manifest().has_architecture();
}

bool CheckpointFile::contains(std::string_view name) const {
  return reader_->manifest().tensor(name) || reader_->manifest().value(name);
}

StateValue CheckpointFile::read(std::string_view name) const {
  if (const auto value = reader_->manifest().value(name)) return detail::value_of(*value);
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

detail::TensorEntry CheckpointFile::entry(std::string_view name) const {
  if (const auto found = reader_->manifest().tensor(name)) return *found;
  const bool is_value = reader_->manifest().value(name).has_value();
  reader_->task().fail("hold a tensor '" + std::string(name) + "'",
                       is_value ? "a value of that name that is no tensor" : "none of that name");
}

detail::TensorEntry CheckpointFile::entry(std::string_view name, DType dtype) const {
  const detail::TensorEntry found = entry(name);
  if (found.dtype != dtype) {
    reader_->task().fail("hold '" + std::string(name) + "' as " + std::string(name_of(dtype)),
                         std::string(name_of(found.dtype)));
  }
  return found;
}

std::span<const std::byte> CheckpointFile::checked_bytes(const detail::TensorEntry& entry) const {
  const auto bytes = reader_->mapped(entry);
  if (!viewed_.contains(entry.name)) {
    reader_->require_checksum(entry, detail::crc32c(bytes));
    viewed_.emplace(entry.name);
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
