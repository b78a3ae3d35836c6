// ValueReader: the named values of a safetensors or npz file, read one by one. Opening reads and
// checks the header or the directory; a value takes the memory of that value.
//
// Errors: CheckpointError, as safetensors.hpp and npz.hpp tell. Thread-safety: one thread per
// reader.
#pragma once

#include <lamina/serialization/detail/file_error.hpp>
#include <lamina/serialization/file_system.hpp>
#include <lamina/serialization/state_dict.hpp>
#include <memory>
#include <string>
#include <vector>

namespace lamina::detail {

class ValueReader {
 public:
  virtual ~ValueReader() = default;
  virtual std::vector<std::string> names() const = 0;    // ascending
  virtual StateValue read(const std::string& name) = 0;  // one of the names
};

std::unique_ptr<ValueReader> open_safetensors(FileSystem& files, FileTask task);
std::unique_ptr<ValueReader> open_npz(FileSystem& files, FileTask task);

}  // namespace lamina::detail
