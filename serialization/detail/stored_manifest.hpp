// StoredManifest: the manifest of a file (manifest.hpp), checked whole and kept as the bytes that
// it is.
//
//   StoredManifest manifest(std::move(bytes), data_size, task);
//   for (auto tensors = manifest.tensors(); const auto tensor = tensors.next();) ...
//   if (const auto tensor = manifest.tensor("model/dense.kernel")) ...
//
// Entries are decoded again where they are asked for, and their names and texts are views of the
// bytes. A table of decoded entries would take over ten times the bytes of very small ones; this
// takes the bytes and, for finding names, an index of at most a 200th of them. Only architecture()
// makes records of its own.
//
// What is accepted is canonical: written again it gives the same bytes. Nothing is allocated from a
// number that was not held against the bytes that are left.
//
// Errors: CheckpointError, from the constructor alone. Thread-safety: const functions may be called
// from any thread; cursors and views must not outlive the manifest, which may be moved, but not
// while there are cursors.
#pragma once

#include <cstddef>
#include <lamina/serialization/detail/file_error.hpp>
#include <lamina/serialization/detail/manifest.hpp>
#include <memory>
#include <optional>
#include <span>

namespace lamina::detail {

class ManifestParser;

// Gives the entries of a list one after the other.
template <class Entry>
class EntryCursor {
 public:
  EntryCursor(std::span<const std::byte> manifest, std::size_t begin, std::uint32_t count);
  EntryCursor(EntryCursor&&) noexcept;
  ~EntryCursor();

  std::optional<Entry> next();  // nothing: there are no more

 private:
  std::unique_ptr<ManifestParser> parser_;
  std::uint32_t left_;
};

class StoredManifest {
 public:
  StoredManifest() = default;
  // `data_size`: bytes of tensors in the file.
  StoredManifest(std::vector<std::byte> bytes, std::uint64_t data_size, const FileTask& task);
  StoredManifest(StoredManifest&&) noexcept = default;
  StoredManifest& operator=(StoredManifest&&) noexcept = default;

  std::string_view library_version() const noexcept { return library_version_; }

  EntryCursor<ModuleRecord> modules() const;
  EntryCursor<TensorEntry> tensors() const;  // both in ascending order of names
  EntryCursor<ValueEntry> values() const;

  // Calls function(entry) for all tensors and values, in ascending order of their names.
  template <class Function>
  void for_each(const Function& function) const;

  bool has_architecture() const noexcept { return modules_.count > 0; }
  std::vector<ModuleRecord> architecture() const;

  // Nothing: none of this name.
  std::optional<TensorEntry> tensor(std::string_view name) const;
  std::optional<ValueEntry> value(std::string_view name) const;

 private:
  struct List {
    std::size_t begin = 0;
    std::uint32_t count = 0;
    std::vector<std::uint32_t> marks = {};  // where every so-many-th entry begins
  };
  template <class Entry>
  std::optional<Entry> find(const List& list, std::string_view name) const;

  std::vector<std::byte> bytes_;
  std::string_view library_version_;
  List modules_, tensors_, values_;
};

template <class Function>
void StoredManifest::for_each(const Function& function) const {
  auto next_tensors = tensors();
  auto next_values = values();
  auto tensor = next_tensors.next();
  auto value = next_values.next();
  while (tensor || value) {
    if (tensor && (!value || tensor->name < value->name)) {
      function(*tensor);
      tensor = next_tensors.next();
    } else {
      function(*value);
      value = next_values.next();
    }
  }
}

}  // namespace lamina::detail
