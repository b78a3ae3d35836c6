#include <algorithm>
#include <array>
#include <bit>
#include <lamina/autograd/tensor/detail/file.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/autograd/tensor/npy.hpp>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are written as they lie");

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kLongestHeader = 65536;

[[noreturn]] void refuse(const std::string& name, const std::string& message) {
  throw DataError("read_npy", name + " " + message);
}

template <Element T>
constexpr std::string_view descr_of() {
  if constexpr (std::same_as<T, float>) return "<f4";
  if constexpr (std::same_as<T, double>) return "<f8";
  if constexpr (std::same_as<T, std::int64_t>) return "<i8";
  return "|u1";
}

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

// The header is a Python dictionary with exactly three known entries, in any order.
class HeaderParser {
 public:
  HeaderParser(const std::string& name, std::string_view text) : name_(name), text_(text) {}

  Header parse() {
    Header header;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr) {
        header.descr = quoted();
        descr = true;
      } else if (key == "fortran_order" && !order) {
        header.fortran_order = boolean();
        order = true;
      } else if (key == "shape" && !shape) {
        header.shape = tuple();
        shape = true;
      } else {
        malformed("the key '" + key + "'");
      }
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_space();
    if (at_ != text_.size()) malformed("something behind its dictionary");
    if (!descr || !order || !shape) malformed("a dictionary without one of its keys");
    return header;
  }

 private:
  [[noreturn]] void malformed(const std::string& found) const {
    refuse(name_, "must have a header with descr, fortran_order and shape; got " + found);
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) malformed(std::string("no '") + c + "' where it must stand");
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  // Printable characters only: the text may end in a message.
  std::string quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote == '[') malformed("structured elements");
    if (quote != '\'' && quote != '"') malformed("no text where one must stand");
    const auto end = text_.find(quote, ++at_);
    if (end == std::string_view::npos || end - at_ > 64) malformed("a text without end");
    std::string text(text_.substr(at_, end - at_));
    at_ = end + 1;
    for (char& c : text) {
      if (c < ' ' || c > '~') c = '?';
    }
    return text;
  }
  bool boolean() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    malformed("neither True nor False for fortran_order");
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> extents;
    expect('(');
    while (!accept(')')) {
      extents.push_back(extent());
      if (accept(',')) continue;
      if (extents.size() == 1) malformed("a shape that is no tuple");
      expect(')');
      break;
    }
    return extents;
  }
  std::int64_t extent() {
    skip_space();
    const std::size_t first = at_;
    std::int64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, text_[at_] - '0', &value)) {
        malformed("an extent of more than 63 bits");
      }
    }
    if (at_ == first) malformed("no number where an extent must stand");
    return value;
  }

  const std::string& name_;
  std::string_view text_;
  std::size_t at_ = 0;
};

void read_exactly(detail::InputFile& file, void* to, std::size_t bytes) {
  if (file.read(to, bytes) != bytes) refuse(file.name(), "must hold a whole header; got its end");
}

// Leaves the file at the first element and counts the bytes before it.
Header read_header(detail::InputFile& file, std::uint64_t& bytes) {
  std::array<unsigned char, 8> start{};
  read_exactly(file, start.data(), start.size());
  if (!std::equal(kMagic.begin(), kMagic.end(), start.begin(),
                  [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; })) {
    refuse(file.name(), "must begin with the magic of .npy files; got another beginning");
  }
  const int major = start[6], minor = start[7];
  if (major < 1 || major > 3 || minor != 0) {
    refuse(file.name(), "must have version 1.0, 2.0 or 3.0; got " + std::to_string(major) + "." +
                            std::to_string(minor));
  }
  std::array<unsigned char, 4> length_bytes{};
  const std::size_t width = major == 1 ? 2 : 4;
  read_exactly(file, length_bytes.data(), width);
  std::size_t length = 0;
  for (std::size_t i = width; i-- > 0;) length = length << 8 | length_bytes[i];
  if (length > kLongestHeader) {
    refuse(file.name(), "must have a header of at most 65536 bytes; got " + std::to_string(length));
  }
  std::string text(length, '\0');
  read_exactly(file, text.data(), length);
  bytes = start.size() + width + length;
  return HeaderParser(file.name(), text).parse();
}

Shape shape_of(const Header& header, const std::string& name) {
  try {
    return Shape(std::span<const std::int64_t>(header.shape));
  } catch (const ShapeError& error) {
    refuse(name, "must have a shape that a tensor can have; got: " + error.message());
  }
}

template <Element T>
Shape accepted_shape(const Header& header, const std::string& name) {
  if (header.descr != descr_of<T>()) {
    refuse(name, "must hold " + std::string(name_of(dtype_of<T>())) + "; got elements of type '" +
                     header.descr + "', expected '" + std::string(descr_of<T>()) + "'");
  }
  const Shape shape = shape_of(header, name);
  if (header.fortran_order && shape.rank() > 1) {
    refuse(name, "must be in C order; got Fortran order");
  }
  return shape;
}

}  // namespace

template <Element T>
Tensor<T> read_npy(const std::filesystem::path& path) try {
  detail::InputFile file(path, "read_npy");
  std::uint64_t before = 0;
  const Header header = read_header(file, before);
  const Shape shape = accepted_shape<T>(header, file.name());
  const std::uint64_t held = file.size() - std::min(file.size(), before);
  const auto count = static_cast<std::uint64_t>(shape.size());
  if (held % sizeof(T) != 0 || held / sizeof(T) != count) {
    refuse(file.name(), "must hold the elements of its shape " + shape.to_string() + "; got " +
                            std::to_string(held) + " bytes behind the header");
  }
  auto tensor = Tensor<T>::uninitialized(shape);
  if (file.read(tensor.mutable_data(), held) != held) {
    refuse(file.name(), "must not change while it is read; got its end too early");
  }
  return tensor;
} catch (const std::bad_alloc&) {
  refuse(path.string(), "must fit in memory; got more than there is");
}

template <Element T>
void write_npy(const std::filesystem::path& path, const Tensor<T>& tensor) {
  if (!tensor.defined()) {
    throw StateError("write_npy", "the tensor must be defined; got a default-constructed one");
  }
  std::string shape = tensor.shape().to_string();
  if (tensor.rank() == 1) {
    shape.back() = ',';
    shape += ')';
  }
  std::string header = "{'descr': '" + std::string(descr_of<T>()) +
                       "', 'fortran_order': False, 'shape': " + shape + ", }";
  // The elements begin at a multiple of 64 bytes; the length before them takes two.
  const std::size_t start = kMagic.size() + 4;
  header.append(63 - (start + header.size()) % 64, ' ');
  header += '\n';
  std::string file(kMagic);
  for (const std::size_t byte :
       {std::size_t{1}, std::size_t{0}, header.size() & 255, header.size() >> 8}) {
    file += static_cast<char>(byte);
  }
  file += header;
  detail::write_file(path, "write_npy",
                     {std::as_bytes(std::span(file)), std::as_bytes(tensor.values())});
}

#define LAMINA_NPY(T)                                           \
  template Tensor<T> read_npy<T>(const std::filesystem::path&); \
  template void write_npy(const std::filesystem::path&, const Tensor<T>&);
LAMINA_NPY(float)
LAMINA_NPY(double)
LAMINA_NPY(std::int64_t)
LAMINA_NPY(std::uint8_t)
#undef LAMINA_NPY

}  // namespace lamina
