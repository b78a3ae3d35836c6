#include <algorithm>
#include <array>
#include <bit>
#include <lamina/autograd/tensor/detail/npy_header.hpp>
#include <lamina/autograd/tensor/error.hpp>

namespace lamina::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are written as they lie");

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kLongestHeader = 65536;

// The header is a Python dictionary with exactly three known entries, in any order.
class HeaderParser {
 public:
  HeaderParser(const NpySource& source, std::string_view text) : source_(source), text_(text) {}

  NpyHeader parse() {
    NpyHeader header;
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
        header.extents = tuple();
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
    source_.refuse("must have a header with descr, fortran_order and shape; got " + found);
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

  const NpySource& source_;
  std::string_view text_;
  std::size_t at_ = 0;
};

void read_exactly(const NpySource& source, void* to, std::size_t bytes) {
  if (source.read(to, bytes) != bytes) source.refuse("must hold a whole header; got its end");
}

}  // namespace

void NpySource::refuse(const std::string& message) const {
  throw DataError(who, name + " " + message);
}

Shape NpyHeader::shape(const NpySource& source) const {
  try {
    const Shape shape{std::span<const std::int64_t>(extents)};
    if (!fortran_order || shape.rank() < 2) return shape;
  } catch (const ShapeError& error) {
    source.refuse("must have a shape that a tensor can have; got: " + error.message());
  }
  source.refuse("must be in C order; got Fortran order");
}

NpyHeader read_npy_header(const NpySource& source) {
  std::array<unsigned char, 8> start{};
  read_exactly(source, start.data(), start.size());
  if (!std::equal(kMagic.begin(), kMagic.end(), start.begin(),
                  [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; })) {
    source.refuse("must begin with the magic of .npy files; got another beginning");
  }
  const int major = start[6], minor = start[7];
  if (major < 1 || major > 3 || minor != 0) {
    source.refuse("must have version 1.0, 2.0 or 3.0; got " + std::to_string(major) + "." +
                  std::to_string(minor));
  }
  std::array<unsigned char, 4> length_bytes{};
  const std::size_t width = major == 1 ? 2 : 4;
  read_exactly(source, length_bytes.data(), width);
  std::size_t length = 0;
  for (std::size_t i = width; i-- > 0;) length = length << 8 | length_bytes[i];
  if (length > kLongestHeader) {
    source.refuse("must have a header of at most 65536 bytes; got " + std::to_string(length));
  }
  std::string text(length, '\0');
  read_exactly(source, text.data(), length);
  NpyHeader header = HeaderParser(source, text).parse();
  header.bytes = start.size() + width + length;
  return header;
}

std::string_view npy_descr(DType dtype) noexcept {
  switch (dtype) {
    case DType::float32:
      return "<f4";
    case DType::float64:
      return "<f8";
    case DType::int64:
      return "<i8";
    case DType::uint8:
      return "|u1";
  }
  return "";
}

std::string npy_header(DType dtype, const Shape& shape) {
  std::string extents = shape.to_string();
  if (shape.rank() == 1) {
    extents.back() = ',';
    extents += ')';
  }
  std::string header = "{'descr': '" + std::string(npy_descr(dtype)) +
                       "', 'fortran_order': False, 'shape': " + extents + ", }";
  // The elements begin at a multiple of 64 bytes; the length before them takes two.
  const std::size_t start = kMagic.size() + 4;
  header.append(63 - (start + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes(kMagic);
  for (const std::size_t byte :
       {std::size_t{1}, std::size_t{0}, header.size() & 255, header.size() >> 8}) {
    bytes += static_cast<char>(byte);
  }
  return bytes + header;
}

}  // namespace lamina::detail
