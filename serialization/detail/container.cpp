#include <algorithm>
#include <lamina/serialization/detail/container.hpp>
#include <lamina/serialization/detail/crc32c.hpp>
#include <set>

namespace lamina::detail {

namespace {

std::span<const std::byte> bytes_of(const StateValue& value) {
  return std::visit(
      [](const auto& held) -> std::span<const std::byte> {
        if constexpr (requires { held.values(); }) {
          return std::as_bytes(held.values());
        } else {
          return {};
        }
      },
      value);
}

// Lists a value in the manifest; a tensor goes to the next aligned offset after `end`.
void list_value(Manifest& manifest, std::uint64_t& end, const std::string& name,
                const StateValue& value) {
  std::visit(
      [&](const auto& held) {
        if constexpr (requires { held.dtype(); }) {
          const std::span<const std::byte> bytes = std::as_bytes(held.values());
          const std::uint64_t offset = aligned(end);
          manifest.tensors.push_back({.name = name,
                                      .dtype = held.dtype(),
                                      .shape = held.shape(),
                                      .offset = offset,
                                      .bytes = bytes.size(),
                                      .checksum = crc32c(bytes)});
          end = offset + bytes.size();
        } else {
          manifest.values.push_back({name, held});
        }
      },
      value);
}

void write_zeros(Sink& sink, std::uint64_t count) {
  constexpr std::array<std::byte, kAlignment> kZeros{};
  sink.write(std::span(kZeros).first(static_cast<std::size_t>(count)));
}

}  // namespace

void write_container(Sink& sink, const StateDict& state,
                     const std::vector<ModuleRecord>& architecture) {
  Manifest manifest{
      .library_version = LAMINA_VERSION, .architecture = architecture, .tensors = {}, .values = {}};
  std::uint64_t data_size = 0;
  for (const auto& [name, value] : state) list_value(manifest, data_size, name, value);
  const std::string text = encode_manifest(manifest);
  const auto manifest_bytes = std::as_bytes(std::span(text));

  Header header;
  header.manifest_size = manifest_bytes.size();
  header.data_offset = aligned(kHeaderBytes + header.manifest_size);
  header.data_size = data_size;
  header.file_size = header.data_offset + data_size;
  header.manifest_checksum = crc32c(manifest_bytes);

  sink.write(encode_header(header));
  sink.write(manifest_bytes);
  write_zeros(sink, header.data_offset - kHeaderBytes - header.manifest_size);
  std::uint64_t end = 0;
  for (const TensorEntry& entry : manifest.tensors) {
    write_zeros(sink, entry.offset - end);
    sink.write(bytes_of(*state.find(entry.name)));
    end = entry.offset + entry.bytes;
  }
}

ContainerReader::ContainerReader(FileSystem& files, const FileTask& task) : task_(task) {
  try {
    file_ = files.open(task_.path);
  } catch (const std::system_error& error) {
    task_.fail("be a readable file", error);
  }
  const std::uint64_t size = file_->size();
  if (size < kHeaderBytes) {
    task_.fail("hold a header of 64 bytes", "a file of " + std::to_string(size) + " bytes");
  }
  std::array<std::byte, kHeaderBytes> header;
  read_at(0, header);
  header_ = decode_header(header, size, task_);

  std::vector<std::byte> manifest(static_cast<std::size_t>(header_.manifest_size));
  read_at(kHeaderBytes, manifest);
  if (crc32c(manifest) != header_.manifest_checksum) {
    task_.fail("have a manifest (bytes 64 to " + std::to_string(63 + header_.manifest_size) +
                   ") that fits its checksum",
               "a damaged manifest");
  }
  require_zero(kHeaderBytes + header_.manifest_size, header_.data_offset);
  manifest_ = decode_manifest(manifest, header_.data_size, task_);
}

StateDict ContainerReader::read(std::string_view prefix) {
  StateDict state;
  std::uint64_t end = 0;
  for (const TensorEntry& entry : manifest_.tensors) {
    const std::uint64_t padding = end;
    end = entry.offset + entry.bytes;
    if (!entry.name.starts_with(prefix)) continue;
    require_zero(header_.data_offset + padding, header_.data_offset + entry.offset);
    state.add(entry.name.substr(prefix.size()), read_tensor_of_any_type(entry));
  }
  for (const ValueEntry& entry : manifest_.values) {
    if (!entry.name.starts_with(prefix)) continue;
    std::visit([&](const auto& held) { state.add(entry.name.substr(prefix.size()), held); },
               entry.value);
  }
  return state;
}

const std::string* ContainerReader::text(std::string_view name) const noexcept {
  for (const ValueEntry& entry : manifest_.values) {
    if (entry.name == name) return std::get_if<std::string>(&entry.value);
  }
  return nullptr;
}

StateValue ContainerReader::read_tensor_of_any_type(const TensorEntry& entry) {
  switch (entry.dtype) {
    case DType::float32:
      return read_tensor<float>(entry);
    case DType::float64:
      return read_tensor<double>(entry);
    case DType::int64:
      return read_tensor<std::int64_t>(entry);
    case DType::uint8:
      return read_tensor<std::uint8_t>(entry);
  }
  task_.fail("have tensors of known types", std::to_string(static_cast<int>(entry.dtype)));
}

template <Element E>
Tensor<E> ContainerReader::read_tensor(const TensorEntry& entry) {
  auto tensor = Tensor<E>::uninitialized(entry.shape);
  const std::span<std::byte> bytes = std::as_writable_bytes(tensor.mutable_values());
  read_at(header_.data_offset + entry.offset, bytes);
  if (crc32c(bytes) != entry.checksum) {
    const std::uint64_t begin = header_.data_offset + entry.offset;
    task_.fail("hold '" + entry.name + "' (bytes " + std::to_string(begin) + " to " +
                   std::to_string(begin + entry.bytes - 1) + ") as its checksum says",
               "damaged data");
  }
  return tensor;
}

void ContainerReader::read_at(std::uint64_t offset, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    std::size_t count = 0;
    try {
      count = file_->read(offset, bytes);
    } catch (const std::system_error& error) {
      task_.fail("be readable at byte " + std::to_string(offset), error);
    }
    if (count == 0)
      task_.fail("keep its length while it is read", "its end at byte " + std::to_string(offset));
    offset += count;
    bytes = bytes.subspan(count);
  }
}

void ContainerReader::require_zero(std::uint64_t begin, std::uint64_t end) {
  std::array<std::byte, kAlignment> padding;
  const auto bytes = std::span(padding).first(static_cast<std::size_t>(end - begin));
  read_at(begin, bytes);
  if (std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; })) {
    task_.fail("have zeros between its parts",
               "other bytes between " + std::to_string(begin) + " and " + std::to_string(end));
  }
}

}  // namespace lamina::detail
