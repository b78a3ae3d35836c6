#include <algorithm>
#include <array>
#include <lamina/autograd/tensor/detail/file.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/pgm.hpp>
#include <new>
#include <optional>
#include <string>

namespace lamina::data {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& message) {
  throw DataError("read_pgm", name + " " + message);
}

bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

// The bytes of a file one after the other.
class Cursor {
 public:
  explicit Cursor(lamina::detail::InputFile& file) : file_(file) {}

  // The next byte, which stays the next until advance(); nothing at the end.
  std::optional<unsigned char> next() {
    if (at_ == end_) {
      at_ = 0;
      end_ = file_.read(piece_.data(), piece_.size());
      if (end_ == 0) return {};
    }
    return piece_[at_];
  }
  void advance() {
    ++at_;
    ++passed_;
  }
  std::uint64_t remaining() const { return file_.size() - std::min(file_.size(), passed_); }

 private:
  lamina::detail::InputFile& file_;
  std::array<unsigned char, 4096> piece_{};
  std::size_t at_ = 0, end_ = 0;
  std::uint64_t passed_ = 0;
};

class Reader {
 public:
  explicit Reader(lamina::detail::InputFile& file) : name_(file.name()), bytes_(file) {}

  Tensor<std::uint8_t> image() {
    const bool binary = magic();
    const std::int64_t width = extent("width"), height = extent("height");
    largest_ = number("largest value", 65535);
    if (largest_ < 1 || largest_ > 255) {
      refuse(name_, "must have 8 bits per pixel; got a largest value of " +
                        std::to_string(largest_) + ", expected 1 to 255");
    }
    if (binary) require_separator();
    // Every pixel takes a byte at least: nothing is allocated that the file cannot fill.
    const std::int64_t count = width * height;
    if (static_cast<std::uint64_t>(count) > bytes_.remaining()) {
      refuse(name_, "must hold " + std::to_string(count) + " pixels, " + std::to_string(height) +
                        " rows of " + std::to_string(width) + "; got " +
                        std::to_string(bytes_.remaining()) + " bytes behind the header");
    }
    auto result = Tensor<std::uint8_t>::uninitialized({height, width});
    for (std::uint8_t& value : result.mutable_values()) {
      value = spread(binary ? byte() : number("pixel", 65535));
    }
    require_end(binary);
    return result;
  }

 private:
  std::int64_t extent(const char* what) {
    const std::int64_t value = number(what, 1'000'000'000);
    if (value == 0) refuse(name_, "must have a " + std::string(what) + " above 0; got 0");
    return value;
  }

  // True for P5, false for P2.
  bool magic() {
    const auto p = bytes_.next();
    if (p) bytes_.advance();
    const auto digit = bytes_.next();
    if (p != 'P' || (digit != '2' && digit != '5')) {
      refuse(name_, "must be a PGM image, beginning with P5 or P2; got another beginning");
    }
    bytes_.advance();
    return digit == '5';
  }

  // A decimal number behind white space and comments.
  std::int64_t number(const char* what, std::int64_t most) {
    skip_space();
    if (!next_is(is_digit)) {
      refuse(name_, "must have a number for the " + std::string(what) + "; got " + here());
    }
    std::int64_t value = 0;
    for (; next_is(is_digit); bytes_.advance()) {
      value = 10 * value + (*bytes_.next() - '0');
      if (value > most) {
        refuse(name_, "must have a " + std::string(what) + " of at most " + std::to_string(most) +
                          "; got more");
      }
    }
    return value;
  }

  bool next_is(bool (*kind)(unsigned char)) {
    const auto next = bytes_.next();
    return next && kind(*next);
  }

  void skip_space() {
    for (bool comment = false;; bytes_.advance()) {
      const auto next = bytes_.next();
      if (!next) return;
      if (next == '#') comment = true;
      if (!comment && !is_space(*next)) return;
      if (next == '\n') comment = false;
    }
  }

  // Exactly one white space stands between the header and binary pixels.
  void require_separator() {
    if (!next_is(is_space)) {
      refuse(name_, "must have white space behind the header; got " + here());
    }
    bytes_.advance();
  }

  unsigned char byte() {
    const auto next = bytes_.next();
    if (!next) refuse(name_, "must not change while it is read; got its end too early");
    bytes_.advance();
    return *next;
  }

  void require_end(bool binary) {
    if (!binary) skip_space();
    if (bytes_.remaining() == 0) return;
    refuse(name_,
           "must end after its pixels; got " + std::to_string(bytes_.remaining()) + " bytes more");
  }

  std::uint8_t spread(std::int64_t value) const {
    if (value > largest_) {
      refuse(name_, "must hold pixels up to its largest value " + std::to_string(largest_) +
                        "; got " + std::to_string(value));
    }
    return static_cast<std::uint8_t>((value * 255 + largest_ / 2) / largest_);
  }

  std::string here() {
    const auto next = bytes_.next();
    return next ? "byte " + std::to_string(*next) : std::string("the end of the file");
  }

  std::string name_;
  Cursor bytes_;
  std::int64_t largest_ = 0;
};

}  // namespace

Tensor<std::uint8_t> read_pgm(const std::string& path) try {
  lamina::detail::InputFile file(path, "read_pgm");
  return Reader(file).image();
} catch (const std::bad_alloc&) {
  refuse(path, "must fit in memory; got more than there is");
}

void write_pgm(const std::string& path, const Tensor<std::uint8_t>& image) {
  if (image.rank() != 2 || image.size() == 0) {
    throw ShapeError("write_pgm", "an image must be (height, width) with a pixel at least; got " +
                                      image.shape().to_string());
  }
  const std::string header = "P5\n" + std::to_string(image.shape()[1]) + " " +
                             std::to_string(image.shape()[0]) + "\n255\n";
  lamina::detail::write_file(path, "write_pgm",
                             {std::as_bytes(std::span(header)), std::as_bytes(image.values())});
}

}  // namespace lamina::data
