#include <algorithm>
#include <lamina/serialization/detail/container.hpp>
#include <lamina/serialization/detail/crc32c.hpp>

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
void list_value(Manifest& manifest, std::uint64_t& end, std::string_view name,
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

// Of reading: as large as is read at full speed, small enough to stay in the cache.
constexpr std::size_t kPiece = std::size_t{1} << 18;

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

  sink.reserve(header.file_size);
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
  manifest_ = StoredManifest(std::move(manifest), header_.data_size, task_);
}

StateDict ContainerReader::read(std::string_view prefix) {
  StateDict state;
  for (auto tensors = manifest_.tensors(); const auto entry = tensors.next();) {
    if (!entry->name.starts_with(prefix)) continue;
    state.add(std::string(entry->name.substr(prefix.size())), read_with_padding(*entry));
  }
  for (auto values = manifest_.values(); const auto entry = values.next();) {
    if (!entry->name.starts_with(prefix)) continue;
    state.add(std::string(entry->name.substr(prefix.size())), value_of(*entry));
  }
  return state;
}

std::optional<std::string_view> ContainerReader::text(std::string_view name) const {
  const auto entry = manifest_.value(name);
  const auto* text = entry ? std::get_if<std::string_view>(&entry->value) : nullptr;
  return text ? std::optional(*text) : std::nullopt;
}

StateValue ContainerReader::read_with_padding(const TensorEntry& entry) {
  StateValue value = read(entry);
  const std::uint64_t end = entry.offset + entry.bytes;
  require_zero(header_.data_offset + end,
               header_.data_offset + std::min(aligned(end), header_.data_size));
  return value;
}

StateValue ContainerReader::read(const TensorEntry& entry) {
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
  require_checksum(entry, read_and_sum(offset_in_file(entry), bytes));
  return tensor;
}

void ContainerReader::verify() {
  std::vector<std::byte> piece(kPiece);
  std::uint64_t end = 0;
  for (auto tensors = manifest_.tensors(); const auto entry = tensors.next();) {
    require_zero(header_.data_offset + end, offset_in_file(*entry));
    std::uint32_t checksum = 0;
    for (std::uint64_t done = 0; done < entry->bytes; done += kPiece) {
      const auto bytes =
          std::span(piece).first(std::min<std::uint64_t>(kPiece, entry->bytes - done));
      read_at(offset_in_file(*entry) + done, bytes);
      checksum = crc32c(bytes, checksum);
    }
    require_checksum(*entry, checksum);
    end = entry->offset + entry->bytes;
  }
}

std::span<const std::byte> ContainerReader::mapped(const TensorEntry& entry) {
  if (entry.bytes == 0) return {};
  std::span<const std::byte> content;
  try {
    content = file_->mapped();
  } catch (const std::system_error& error) {
    task_.fail("be a file that can be mapped into memory", error);
  }
  if (content.size() != header_.file_size) {
    task_.fail("keep its length while it is read", std::to_string(content.size()) + " bytes");
  }
  return content.subspan(offset_in_file(entry), entry.bytes);
}

void ContainerReader::require_checksum(const TensorEntry& entry, std::uint32_t checksum) const {
  if (checksum == entry.checksum) return;
  const std::uint64_t begin = offset_in_file(entry);
  task_.fail("hold '" + std::string(entry.name) + "' (bytes " + std::to_string(begin) + " to " +
                 std::to_string(begin + entry.bytes - 1) + ") as its checksum says",
             "damaged data");
}

std::uint32_t ContainerReader::read_and_sum(std::uint64_t offset, std::span<std::byte> bytes) {
  std::uint32_t checksum = 0;
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(kPiece, bytes.size()));
    read_at(offset, piece);
    checksum = crc32c(piece, checksum);
    offset += piece.size();
    bytes = bytes.subspan(piece.size());
  }
  return checksum;
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

StateValue value_of(const ValueEntry& entry) {
  return std::visit(
      [](const auto& held) -> StateValue {
        if constexpr (std::same_as<std::decay_t<decltype(held)>, std::string_view>) {
          return std::string(held);
        } else {
          return held;
        }
      },
      entry.value);
}

}  // namespace lamina::detail
