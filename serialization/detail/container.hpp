// The container: header, manifest, tensors, as one file (checkpoint_format.md; header.hpp,
// manifest.hpp).
//
// Writing streams: the manifest and a buffer of 256 KiB are all the memory it takes. Reading checks
// in this order, and believes nothing before: size, header, manifest's checksum, padding, manifest,
// then each tensor's checksum and padding as it is read. Nothing is allocated from a number that
// was not compared with the real size of the file before; an opened file takes the memory of its
// manifest, and reading a tensor that of its elements.
//
// Errors: CheckpointError; std::system_error from writing (atomic_save.hpp names the file).
// Thread-safety: one thread per reader.
#pragma once

#include <lamina/serialization/detail/atomic_save.hpp>
#include <lamina/serialization/detail/header.hpp>
#include <lamina/serialization/detail/stored_manifest.hpp>
#include <lamina/serialization/file_system.hpp>
#include <lamina/serialization/state_dict.hpp>

namespace lamina::detail {

// Equal states give equal bytes.
void write_container(Sink& sink, const StateDict& state,
                     const std::vector<ModuleRecord>& architecture);

class ContainerReader {
 public:
  ContainerReader(FileSystem& files, const FileTask& task);

  const FileTask& task() const noexcept { return task_; }
  const StoredManifest& manifest() const noexcept { return manifest_; }
  std::uint64_t size() const noexcept { return header_.file_size; }
  std::uint64_t offset_in_file(const TensorEntry& entry) const noexcept {
    return header_.data_offset + entry.offset;
  }

  // The tensors and values whose names begin with the prefix, without it.
  StateDict read(std::string_view prefix);
  // One tensor of the manifest.
  StateValue read(const TensorEntry& entry);
  // Also checks the zeros behind it: who reads all tensors so has seen every byte of the data.
  StateValue read_with_padding(const TensorEntry& entry);
  // Its bytes in a mapping of the file, not compared with the checksum.
  std::span<const std::byte> mapped(const TensorEntry& entry);
  void require_checksum(const TensorEntry& entry, std::uint32_t checksum) const;
  // Reads everything, in pieces, and compares it.
  void verify();
  // A text among the values; nothing: not there.
  std::optional<std::string_view> text(std::string_view name) const;

 private:
  void read_at(std::uint64_t offset, std::span<std::byte> bytes);
  void require_zero(std::uint64_t begin, std::uint64_t end);
  template <Element E>
  Tensor<E> read_tensor(const TensorEntry& entry);
  // Reads from the offset, piece by piece: each is summed up while it is in the cache.
  std::uint32_t read_and_sum(std::uint64_t offset, std::span<std::byte> bytes);

  FileTask task_;
  std::unique_ptr<ReadableFile> file_;
  Header header_;
  StoredManifest manifest_;
};

StateValue value_of(const ValueEntry& entry);

}  // namespace lamina::detail
