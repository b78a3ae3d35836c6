#include "fuzz/checkpoint_bytes.hpp"

#include <cstring>
#include <lamina/serialization/detail/crc32c.hpp>
#include <lamina/serialization/detail/header.hpp>

namespace lamina::test {

namespace {

constexpr std::size_t kManifestSize = 24, kDataOffset = 32;

template <class Value>
void put(std::string& file, std::size_t at, Value value) {
  std::memcpy(&file[at], &value, sizeof value);
}

std::uint64_t number_at(const std::string& file, std::size_t at) {
  std::uint64_t value = 0;
  std::memcpy(&value, &file[at], 8);
  return value;
}

std::span<const std::byte> part(const std::string& file, std::size_t begin, std::size_t bytes) {
  return std::as_bytes(std::span(file)).subspan(begin, bytes);
}

// The manifest with the checksums of the data; nothing: it cannot be read.
std::optional<std::string> resigned_manifest(const std::string& file, std::size_t manifest_size,
                                             std::size_t data_offset) {
  const auto bytes = part(file, detail::kHeaderBytes, manifest_size);
  try {
    const detail::StoredManifest stored({bytes.begin(), bytes.end()}, file.size() - data_offset,
                                        {.who = "reseal", .path = kPath});
    detail::Manifest manifest = listed(stored);
    for (detail::TensorEntry& tensor : manifest.tensors) {
      tensor.checksum = detail::crc32c(part(file, data_offset + tensor.offset, tensor.bytes));
    }
    return detail::encode_manifest(manifest);
  } catch (const CheckpointError&) {
    return {};
  }
}

}  // namespace

detail::Manifest listed(const detail::StoredManifest& stored) {
  detail::Manifest manifest{.library_version = stored.library_version(),
                            .architecture = stored.architecture(),
                            .tensors = {},
                            .values = {}};
  for (auto all = stored.tensors(); const auto entry = all.next();) {
    manifest.tensors.push_back(*entry);
  }
  for (auto all = stored.values(); const auto entry = all.next();) {
    manifest.values.push_back(*entry);
  }
  return manifest;
}

StateDict state_of_every_kind() {
  StateDict state;
  state.add("a", Tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  state.add("b", Tensor<double>({3}, {-1, 0, 1}));
  state.add("c", Tensor<std::int64_t>({}, {7}));
  state.add("d", Tensor<std::uint8_t>({0, 5}, std::uint8_t{0}));
  state.add("n", std::int64_t{-3});
  state.add("x", 0.1);
  state.add("z", "caf\u00e9");
  return state;
}

std::size_t described_bytes(const std::string& file) { return number_at(file, kDataOffset); }

void reseal_checkpoint(std::string& file) {
  constexpr std::size_t kHeader = detail::kHeaderBytes;
  if (file.size() < kHeader) return;
  std::uint64_t manifest_size = number_at(file, kManifestSize);
  if (manifest_size > file.size() - kHeader) manifest_size = (file.size() - kHeader) / 2;
  const std::uint64_t data_offset = detail::aligned(kHeader + manifest_size);
  if (file.size() < data_offset) file.resize(data_offset);
  for (std::size_t i = kHeader + manifest_size; i < data_offset; ++i) file[i] = 0;
  if (const auto manifest = resigned_manifest(file, manifest_size, data_offset)) {
    file.replace(kHeader, manifest->size(), *manifest);
  }
  const auto header = detail::encode_header(
      {.file_size = file.size(),
       .manifest_size = manifest_size,
       .data_offset = data_offset,
       .data_size = file.size() - data_offset,
       .manifest_checksum = detail::crc32c(part(file, kHeader, manifest_size))});
  // The version, flags and reserved bytes stay as they were found.
  std::memcpy(file.data(), header.data(), 8);
  std::memcpy(&file[12], &header[12], 36);
  std::memcpy(&file[52], &header[52], 4);
  put(file, 60, detail::crc32c(part(file, 0, 60)));
}

}  // namespace lamina::test
