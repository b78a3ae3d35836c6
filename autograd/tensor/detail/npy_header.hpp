// The header of NumPy's format .npy, apart from where its bytes come from: a file (npy.hpp), or a
// member of an archive.
//
// Errors: DataError "[who] NAME must ...; got ...". Thread-safety: any. Source: numpy.lib.format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <lamina/autograd/tensor/scalar.hpp>
#include <lamina/autograd/tensor/shape.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lamina::detail {

// Bytes one after the other, and how messages call them.
struct NpySource {
  std::string who;
  std::string name;
  // The number of bytes read: fewer than asked for only at the end.
  std::function<std::size_t(void* to, std::size_t bytes)> read;

  [[noreturn]] void refuse(const std::string& message) const;
};

struct NpyHeader {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::int64_t> extents;
  std::uint64_t bytes = 0;  // of magic, version, length and header: where the elements begin

  // The shape of a tensor with these extents, in C order.
  Shape shape(const NpySource& source) const;
};

// Leaves the source at the first element.
NpyHeader read_npy_header(const NpySource& source);

// Magic, version 1.0, length and header, as numpy.save writes them.
std::string npy_header(DType dtype, const Shape& shape);

// "<f4", "<f8", "<i8", "|u1".
std::string_view npy_descr(DType dtype) noexcept;

}  // namespace lamina::detail
