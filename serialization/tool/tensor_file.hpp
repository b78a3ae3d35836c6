// TensorFile: a file of named values in any of the formats that the tool knows, told apart by how
// the file begins, not by its name.
//
// Opening reads the list of the values, read() one of them: a file of any size takes the memory of
// that list and of what is asked for.
// Errors: CheckpointError. Thread-safety: one thread per object.
#pragma once

#include <lamina/serialization/checkpoint_file.hpp>
#include <lamina/serialization/detail/value_reader.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lamina::tool {

enum class Format { lamina, safetensors, npz };
std::string_view name_of(Format format);

class TensorFile {
 public:
  explicit TensorFile(const std::string& path);

  const std::string& path() const noexcept { return path_; }
  Format format() const noexcept { return format_; }
  std::uint64_t size() const noexcept { return size_; }
  const std::vector<std::string>& names() const noexcept { return names_; }  // ascending
  StateValue read(const std::string& name) const;
  std::map<std::string, std::string> metadata() const;
  // Of a checkpoint; null: another format.
  const CheckpointFile* checkpoint() const noexcept {
    return checkpoint_ ? &*checkpoint_ : nullptr;
  }

 private:
  std::string path_;
  Format format_ = Format::lamina;
  std::uint64_t size_ = 0;
  std::optional<CheckpointFile> checkpoint_;
  std::unique_ptr<detail::ValueReader> values_;  // of other formats
  std::vector<std::string> names_;
};

// By the ending of its name: where something is to be written.
Format format_of_name(const std::string& path);

}  // namespace lamina::tool
