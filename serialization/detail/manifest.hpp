// The manifest of a checkpoint file: what the file holds, and where.
//
// It is written and read by a Boost binary archive (no_header | no_codecvt | no_tracking) in
// memory, of which only this subset is used: unsigned integers of fixed width, and byte arrays
// whose length was read and checked before. Nothing here is a class to Boost: no class ids,
// versions, tracking or pointers can stand in the file.
//
//   text                library version
//   u32 n, n modules    architecture: u32 flags, text path, text type, text tied_to, u32 m,
//                       m options: text name, u32 kind, u32 k, k u64 numbers, u32 j, j texts
//   u32 n, n tensors    text name, u32 dtype, u32 rank, rank u64 extents, u64 offset, u64 bytes,
//                       u32 CRC32C
//   u32 n, n values     text name, u32 kind (1 integer, 2 number, 3 text), u64 bits; or text
//   text                u32 length, bytes
//
// Tensors and values are each in strictly ascending order of names; offsets count from the
// beginning of the data, each tensor at the next multiple of 64, the last one ends the data.
//
// Thread-safety: any.
#pragma once

#include <cstdint>
#include <lamina/autograd/tensor/scalar.hpp>
#include <lamina/autograd/tensor/shape.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lamina::detail {

inline constexpr std::uint32_t kLongestName = 256;
inline constexpr std::uint32_t kLongestText = 1u << 24;

// Names and texts of entries lie elsewhere: in the state that is saved, in the bytes of a file's
// manifest.
struct TensorEntry {
  std::string_view name;
  DType dtype = DType::float32;
  Shape shape;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint32_t checksum = 0;
};

enum class ValueKind : std::uint32_t { integer = 1, number, text };

struct ValueEntry {
  std::string_view name;
  std::variant<std::int64_t, double, std::string_view> value;  // in the order of the kinds
};

enum class OptionKind : std::uint32_t {
  boolean = 1,
  integer,
  number,
  text,
  integers,
  extents,
  optional_boolean,
  optional_number,
  optional_integer,
  initializer,
  regularizer,
  constraint
};

// One option of a module. Numbers are integers, or the bits of doubles; what they and the texts
// mean follows from the kind (architecture.cpp).
struct OptionRecord {
  std::string name;
  OptionKind kind = OptionKind::boolean;
  std::vector<std::uint64_t> numbers;
  std::vector<std::string> texts;
  bool operator==(const OptionRecord&) const = default;
};

struct ModuleRecord {
  bool children_listed =
      false;          // Sequential: the following records below its path are its children
  bool tied = false;  // shares its state with the module at tied_to
  std::string path;
  std::string type;
  std::string tied_to;
  std::vector<OptionRecord> options;
  bool operator==(const ModuleRecord&) const = default;
};

// Of a file that is written; stored_manifest.hpp reads.
struct Manifest {
  std::string_view library_version;
  std::vector<ModuleRecord> architecture;  // empty: not a model file
  std::vector<TensorEntry> tensors;
  std::vector<ValueEntry> values;
};

std::string encode_manifest(const Manifest& manifest);

// 1 to 256 bytes of valid UTF-8 without control characters.
bool is_name(std::string_view text) noexcept;

}  // namespace lamina::detail
