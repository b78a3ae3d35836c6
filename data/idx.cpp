#include <algorithm>
#include <array>
#include <cstring>
#include <lamina/autograd/tensor/detail/file.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/detail/byte_source.hpp>
#include <lamina/data/detail/idx_header.hpp>
#include <lamina/data/idx.hpp>
#include <new>
#include <string>
#include <vector>

namespace lamina::data {
namespace {

constexpr const char* kWho = "read_idx";
constexpr std::uint8_t kUnsignedByte = 0x08;

[[noreturn]] void refuse(const std::string& name, const std::string& message) {
  throw DataError(kWho, name + " " + message);
}

std::string hexadecimal(std::span<const std::uint8_t> bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text = "0x";
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

void read_header_bytes(detail::ByteSource& source, const std::string& name,
                       std::span<std::uint8_t> bytes) {
  const std::size_t count = source.read(bytes.data(), bytes.size());
  if (count == bytes.size()) return;
  refuse(name, "must hold a whole IDX header; got only " + std::to_string(count) + " of " +
                   std::to_string(bytes.size()) + " bytes of it");
}

Shape read_shape(detail::ByteSource& source, const std::string& name) {
  std::array<std::uint8_t, 4> magic{};
  read_header_bytes(source, name, magic);
  if (magic[0] != 0 || magic[1] != 0) {
    refuse(name, "must begin with the IDX magic 0x000008..; got " + hexadecimal(magic));
  }
  if (magic[2] != kUnsignedByte) {
    refuse(name, "must hold unsigned bytes, IDX type 0x08; got type " +
                     hexadecimal(std::span(magic).subspan(2, 1)));
  }
  if (magic[3] < 1 || magic[3] > kMaxRank) {
    refuse(name, "must have 1 to 8 axes; got " + std::to_string(magic[3]));
  }
  std::array<std::uint8_t, 4 * kMaxRank> bytes{};
  read_header_bytes(source, name, std::span(bytes).first(4u * magic[3]));
  std::vector<std::int64_t> extents;
  for (std::size_t axis = 0; axis < magic[3]; ++axis) {
    const std::uint8_t* at = bytes.data() + 4 * axis;
    extents.push_back(std::int64_t{at[0]} << 24 | std::int64_t{at[1]} << 16 |
                      std::int64_t{at[2]} << 8 | std::int64_t{at[3]});
  }
  try {
    return Shape(std::span<const std::int64_t>(extents));
  } catch (const ShapeError&) {
    refuse(name, "must hold as many elements as 63 bits can count; got extents " +
                     hexadecimal(std::span(bytes).first(4u * magic[3])));
  }
}

// Before any memory is taken for the elements.
void require_plausible(const detail::ByteSource& source, const std::string& name,
                       const Shape& shape) {
  const std::uint64_t header = 4 + 4 * static_cast<std::uint64_t>(shape.rank());
  const std::uint64_t expected = header + static_cast<std::uint64_t>(shape.size());
  if (!source.packed() && source.most_bytes() != expected) {
    refuse(name, "must have the size that its header tells; got " +
                     std::to_string(source.most_bytes()) + " bytes, expected " +
                     std::to_string(expected) + " for shape " + shape.to_string());
  }
  if (source.packed() && source.most_bytes() < expected) {
    refuse(name, "must hold what its header tells; got a gzip file too small for " +
                     std::to_string(expected) + " bytes, shape " + shape.to_string());
  }
}

// Reads the elements, or only counts them where `to` is null; they must be as many as the shape
// has, and the last bytes.
void read_elements(detail::ByteSource& source, const std::string& name, const Shape& shape,
                   std::uint8_t* to) {
  std::array<std::uint8_t, 16384> counted;
  const auto size = static_cast<std::size_t>(shape.size());
  std::size_t done = 0;
  for (std::size_t piece = 1, count = 1; done < size && count == piece; done += count) {
    piece = to ? size : std::min(size - done, counted.size());
    count = source.read(to ? to : counted.data(), piece);
  }
  if (done != size) {
    refuse(name, "must hold what its header tells; got " + std::to_string(done) +
                     " elements, expected " + std::to_string(size) + " for shape " +
                     shape.to_string());
  }
  std::uint8_t beyond = 0;
  if (source.read(&beyond, 1) != 0) {
    refuse(name, "must end after its elements; got more than the " + std::to_string(size) +
                     " of shape " + shape.to_string());
  }
}

}  // namespace

std::vector<std::uint8_t> detail::idx_header(const Shape& shape) {
  std::vector<std::uint8_t> header{0, 0, kUnsignedByte, static_cast<std::uint8_t>(shape.rank())};
  for (const std::int64_t extent : shape) {
    for (const int shift : {24, 16, 8, 0}) {
      header.push_back(static_cast<std::uint8_t>(extent >> shift));
    }
  }
  return header;
}

Tensor<std::uint8_t> read_idx(const std::string& path) try {
  auto source = detail::open_bytes(path, kWho);
  const Shape shape = read_shape(*source, path);
  require_plausible(*source, path, shape);
  if (source->packed()) {
    // Unpacked once to count: memory is taken for what the file holds, not for what it promises.
    read_elements(*source, path, shape, nullptr);
    source = detail::open_bytes(path, kWho);
    if (read_shape(*source, path) != shape) {
      refuse(path, "must not change while it is read; got another shape");
    }
  }
  auto tensor = Tensor<std::uint8_t>::uninitialized(shape);
  read_elements(*source, path, shape, tensor.mutable_data());
  return tensor;
} catch (const std::bad_alloc&) {
  refuse(path, "must fit in memory; got more than there is");
}

void write_idx(const std::string& path, const Tensor<std::uint8_t>& tensor) {
  if (tensor.rank() == 0) {
    throw ArgumentError("write_idx", "the tensor must have 1 to 8 axes; got shape ()");
  }
  for (const std::int64_t extent : tensor.shape()) {
    if (extent < std::int64_t{1} << 32) continue;
    throw ArgumentError("write_idx",
                        "extents must fit in 32 bits; got " + tensor.shape().to_string());
  }
  const auto header = detail::idx_header(tensor.shape());
  lamina::detail::write_file(path, "write_idx",
                             {std::as_bytes(std::span(header)), std::as_bytes(tensor.values())});
}

Dataset idx_dataset(const std::string& images, const std::string& labels) {
  const Tensor<std::uint8_t> pixels = read_idx(images);
  if (pixels.rank() != 3) {
    throw DataError("idx_dataset", images + " must hold images (N, height, width); got " +
                                       pixels.shape().to_string());
  }
  const Tensor<std::uint8_t> classes = read_idx(labels);
  if (classes.rank() != 1) {
    throw DataError("idx_dataset",
                    labels + " must hold one axis of labels; got " + classes.shape().to_string());
  }
  if (classes.size() != pixels.shape()[0]) {
    throw DataError("idx_dataset", labels + " must hold one label per image; got " +
                                       std::to_string(classes.size()) + ", expected " +
                                       std::to_string(pixels.shape()[0]));
  }
  return Dataset(pixels.reshaped(pixels.shape().inserted(3, 1)), classes.cast<std::int64_t>());
}

}  // namespace lamina::data
