// The container: header, manifest, tensors, as one file (checkpoint_format.md; header.hpp,
// manifest.hpp).
//
// Writing streams: the manifest and a buffer of 1 MiB are all the memory it takes. Reading checks
// in this order, and believes nothing before: size, header, manifest's checksum, padding, manifest,
// then each tensor's padding and checksum as it is read. Nothing is allocated from a number that
// was not compared with the real size of the file before.
//
// Errors: CheckpointError; std::system_error from writing (atomic_save.hpp names the file).
// Thread-safety: one thread per reader.
#pragma once

#include <lamina/serialization/detail/atomic_save.hpp>
#include <lamina/serialization/detail/header.hpp>
#include <lamina/serialization/detail/manifest.hpp>
#include <lamina/serialization/file_system.hpp>
#include <lamina/serialization/state_dict.hpp>

namespace lamina::detail {

// Equal states give equal bytes.
void write_container(Sink& sink, const StateDict& state,
                     const std::vector<ModuleRecord>& architecture);

class ContainerReader {
 public:
  ContainerReader(FileSystem& files, const FileTask& task);

  const Manifest& manifest() const noexcept { return manifest_; }

  // The tensors and values whose names begin with the prefix, without it.
  StateDict read(std::string_view prefix);
  // A text among the values; null: not there.
  const std::string* text(std::string_view name) const noexcept;

 private:
  void read_at(std::uint64_t offset, std::span<std::byte> bytes);
  void require_zero(std::uint64_t begin, std::uint64_t end);
  template <Element E>
  Tensor<E> read_tensor(const TensorEntry& entry);
  StateValue read_tensor_of_any_type(const TensorEntry& entry);

  FileTask task_;
  std::unique_ptr<ReadableFile> file_;
  Header header_;
  Manifest manifest_;
};

}  // namespace lamina::detail
