// Options to and from their records in a file.
//
// What numbers and texts of a record are, by kind:
//   boolean, integer, number      one number (a double by its bits)
//   text                          one text
//   integers, extents             the numbers
//   optional_...                  one number, or none
//   initializer, regularizer,     texts: the description's name (empty: none given), then the names
//   of its constraint                    numbers; numbers: the bits of these
//
// Thread-safety: any.
#pragma once

#include <lamina/nn/options.hpp>
#include <lamina/serialization/detail/file_error.hpp>
#include <lamina/serialization/detail/manifest.hpp>

namespace lamina::detail {

// Lists the options of a module. CheckpointError, in the words of the task, for code: a closure, or
// a user's own initializer, regularizer or constraint.
class OptionRecorder : public OptionVisitor {
 public:
  OptionRecorder(const FileTask& task, std::string where) : task_(task), where_(std::move(where)) {}

  std::vector<OptionRecord> records;

  void operator()(std::string_view name, bool& value) override;
  void operator()(std::string_view name, std::int64_t& value) override;
  void operator()(std::string_view name, double& value) override;
  void operator()(std::string_view name, std::string& value) override;
  void operator()(std::string_view name, std::vector<std::int64_t>& value) override;
  void operator()(std::string_view name, Extents2& value) override;
  void operator()(std::string_view name, std::optional<bool>& value) override;
  void operator()(std::string_view name, std::optional<double>& value) override;
  void operator()(std::string_view name, std::optional<std::int64_t>& value) override;
  void operator()(std::string_view name, Initializer& value) override;
  void operator()(std::string_view name, Regularizer& value) override;
  void operator()(std::string_view name, Constraint& value) override;
  void closure(std::string_view name, bool present) override;

 private:
  void add(std::string_view name, OptionKind kind, std::vector<std::uint64_t> numbers,
           std::vector<std::string> texts = {});
  template <class Described>
  void describe(std::string_view name, OptionKind kind, const Described& value);
  [[noreturn]] void refuse_code(std::string_view name, const char* what) const;

  const FileTask& task_;
  std::string where_;
};

// Fills options from the records; one that has no record keeps its value (it is younger than the
// file). CheckpointError for a record of another kind or with the wrong number of values;
// ArgumentError from the makers of initializers, regularizers and constraints.
class OptionFiller : public OptionVisitor {
 public:
  OptionFiller(const FileTask& task, const ModuleRecord& module) : task_(task), module_(module) {}

  void operator()(std::string_view name, bool& value) override;
  void operator()(std::string_view name, std::int64_t& value) override;
  void operator()(std::string_view name, double& value) override;
  void operator()(std::string_view name, std::string& value) override;
  void operator()(std::string_view name, std::vector<std::int64_t>& value) override;
  void operator()(std::string_view name, Extents2& value) override;
  void operator()(std::string_view name, std::optional<bool>& value) override;
  void operator()(std::string_view name, std::optional<double>& value) override;
  void operator()(std::string_view name, std::optional<std::int64_t>& value) override;
  void operator()(std::string_view name, Initializer& value) override;
  void operator()(std::string_view name, Regularizer& value) override;
  void operator()(std::string_view name, Constraint& value) override;
  void closure(std::string_view, bool) override {}

 private:
  // Null where the file has none.
  const OptionRecord* find(std::string_view name, OptionKind kind, std::size_t fewest,
                           std::size_t most) const;
  template <class Described>
  void remake(std::string_view name, OptionKind kind, Described& value) const;
  [[noreturn]] void refuse(std::string_view name) const;

  const FileTask& task_;
  const ModuleRecord& module_;
};

}  // namespace lamina::detail
