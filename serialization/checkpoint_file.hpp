// CheckpointFile: looks into a checkpoint or model file without a network, and reads single values
// of it without reading the rest.
//
//   CheckpointFile file("run/last.lamina");
//   for (const auto& tensor : file.tensors()) ...          // "model/dense.kernel" (784, 10)
//   Tensor<float> kernel = file.tensor<float>("model/dense.kernel");
//   std::span<const float> view = file.view<float>("model/dense.kernel");  // memory-mapped
//   file.verify();                                         // every byte against its checksum
//   file.metadata().at("data set");
//
// Opening checks header and manifest as loading does (docs/checkpoint_format.md) and reads no
// tensor; reading one checks its own checksum. Memory: the manifest, and what is asked for;
// tensors() and values() are tables of all that the file lists, made at their first call.
//
// save_state writes named values as they are, and read_state reads all of them: the way for tools.
//
// Errors: CheckpointError, naming the file: one that is missing or damaged, a name that is not in
// it, another element type than the one asked for; a view where files cannot be mapped.
// Thread-safety: one thread per object. A file that others shorten while it is mapped ends the
// process (SIGBUS) when a view is used; lamina's own saves never do that, they replace files.
#pragma once

#include <cstdint>
#include <lamina/serialization/file_system.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

namespace detail {
class ContainerReader;
struct TensorEntry;
}  // namespace detail

class CheckpointFile {
 public:
  struct TensorInfo {
    std::string name;  // as in the file: "model/dense.kernel"
    DType dtype = DType::float32;
    Shape shape;
    std::uint64_t offset = 0;  // in the file
    std::uint64_t bytes = 0;
    std::uint32_t checksum = 0;  // CRC32C
  };
  struct ModuleInfo {
    std::string path;  // empty: the network itself
    std::string type;
  };

  explicit CheckpointFile(std::string path, FileSystem& files = posix_file_system());
  ~CheckpointFile();
  CheckpointFile(CheckpointFile&&) noexcept;
  CheckpointFile& operator=(CheckpointFile&&) noexcept;

  const std::string& path() const noexcept { return path_; }
  std::uint64_t size() const noexcept;
  // The version of the library that wrote the file.
  std::string library_version() const;

  // In ascending order of names.
  const std::vector<TensorInfo>& tensors() const;
  // Integers, numbers and texts by name.
  const StateDict& values() const;
  // What the program that saved wanted to be known (CheckpointParts::metadata).
  std::map<std::string, std::string> metadata() const;

  // The modules of a model file, the network first; empty: a checkpoint without architecture.
  std::vector<ModuleInfo> architecture() const;
  bool has_architecture() const noexcept;

  bool contains(std::string_view name) const;
  // The tensor or value of this name.
  StateValue read(std::string_view name) const;
  template <Element E>
  Tensor<E> tensor(std::string_view name) const;

  // The elements where they lie in the file, which is mapped into memory at the first call. The
  // checksum is compared at the first view of a tensor. Valid as long as this object.
  template <Element E>
  std::span<const E> view(std::string_view name) const;

  // Compares everything with its checksum, in a buffer of 256 KiB; CheckpointError naming the first
  // that is damaged.
  void verify() const;

 private:
  detail::TensorEntry entry(std::string_view name) const;
  detail::TensorEntry entry(std::string_view name, DType dtype) const;
  std::span<const std::byte> checked_bytes(const detail::TensorEntry& entry) const;

  std::string path_;
  std::unique_ptr<detail::ContainerReader> reader_;
  mutable std::optional<std::vector<TensorInfo>> tensors_;
  mutable std::optional<StateDict> values_;
  mutable std::set<std::string, std::less<>> viewed_;  // tensors whose mapped bytes were compared
};

// Writes the values under their names, atomically like every checkpoint.
void save_state(const std::string& path, const StateDict& state,
                FileSystem& files = posix_file_system());
// Everything in the file under its name, checked.
StateDict read_state(const std::string& path, FileSystem& files = posix_file_system());

#define LAMINA_EXTERN(E)                                                    \
  extern template Tensor<E> CheckpointFile::tensor(std::string_view) const; \
  extern template std::span<const E> CheckpointFile::view(std::string_view) const;
LAMINA_EXTERN(float)
LAMINA_EXTERN(double)
LAMINA_EXTERN(std::int64_t)
LAMINA_EXTERN(std::uint8_t)
#undef LAMINA_EXTERN

}  // namespace lamina
