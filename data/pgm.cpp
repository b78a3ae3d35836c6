#include <lamina/autograd/tensor/detail/file.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/pgm.hpp>
#include <new>
#include <optional>
#include <string>
#include <vector>

namespace lamina::data {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& message) {
  throw DataError("read_pgm", name + " " + message);
}

bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

class Reader {
 public:
  Reader(std::string name, std::vector<unsigned char> bytes)
      : name_(std::move(name)), bytes_(std::move(bytes)) {}

  Tensor<std::uint8_t> image() {
    if (bytes_.size() < 2 || bytes_[0] != 'P' || (bytes_[1] != '2' && bytes_[1] != '5')) {
      refuse(name_, "must be a PGM image, beginning with P5 or P2; got another beginning");
    }
    const bool binary = bytes_[1] == '5';
    at_ = 2;
    const std::int64_t width = extent("width"), height = extent("height");
    largest_ = number("largest value", 65535);
    if (largest_ < 1 || largest_ > 255) {
      refuse(name_, "must have 8 bits per pixel; got a largest value of " +
                        std::to_string(largest_) + ", expected 1 to 255");
    }
    if (binary) require_separator();
    // Every pixel takes a byte at least: nothing is allocated that the file cannot fill.
    const auto rest = static_cast<std::int64_t>(bytes_.size() - at_);
    const std::int64_t count = width * height;
    if (count > rest) {
      refuse(name_, "must hold " + std::to_string(count) + " pixels, " + std::to_string(height) +
                        " rows of " + std::to_string(width) + "; got " + std::to_string(rest) +
                        " bytes behind the header");
    }
    auto result = Tensor<std::uint8_t>::uninitialized({height, width});
    for (std::uint8_t& value : result.mutable_values()) {
      value = spread(binary ? bytes_[at_++] : number("pixel", 65535));
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

  // A decimal number behind white space and comments.
  std::int64_t number(const char* what, std::int64_t most) {
    skip_space();
    if (at_ == bytes_.size() || !is_digit(bytes_[at_])) {
      refuse(name_, "must have a number for the " + std::string(what) + "; got " + here());
    }
    std::int64_t value = 0;
    for (; at_ < bytes_.size() && is_digit(bytes_[at_]); ++at_) {
      value = 10 * value + (bytes_[at_] - '0');
      if (value > most) {
        refuse(name_, "must have a " + std::string(what) + " of at most " + std::to_string(most) +
                          "; got more");
      }
    }
    return value;
  }

  void skip_space() {
    for (; at_ < bytes_.size() && (is_space(bytes_[at_]) || bytes_[at_] == '#'); ++at_) {
      if (bytes_[at_] != '#') continue;
      while (at_ + 1 < bytes_.size() && bytes_[at_] != '\n') ++at_;
    }
  }

  // Exactly one white space stands between the header and binary pixels.
  void require_separator() {
    if (at_ == bytes_.size() || !is_space(bytes_[at_])) {
      refuse(name_, "must have white space behind the header; got " + here());
    }
    ++at_;
  }

  void require_end(bool binary) {
    if (!binary) skip_space();
    if (at_ == bytes_.size()) return;
    refuse(name_,
           "must end after its pixels; got " + std::to_string(bytes_.size() - at_) + " bytes more");
  }

  std::uint8_t spread(std::int64_t value) const {
    if (value > largest_) {
      refuse(name_, "must hold pixels up to its largest value " + std::to_string(largest_) +
                        "; got " + std::to_string(value));
    }
    return static_cast<std::uint8_t>((value * 255 + largest_ / 2) / largest_);
  }

  std::string here() const {
    return at_ == bytes_.size() ? std::string("the end of the file")
                                : "byte " + std::to_string(bytes_[at_]);
  }

  std::string name_;
  std::vector<unsigned char> bytes_;
  std::size_t at_ = 0;
  std::int64_t largest_ = 0;
};

}  // namespace

Tensor<std::uint8_t> read_pgm(const std::filesystem::path& path) try {
  lamina::detail::InputFile file(path, "read_pgm");
  std::vector<unsigned char> bytes(static_cast<std::size_t>(file.size()));
  bytes.resize(file.read(bytes.data(), bytes.size()));
  return Reader(file.name(), std::move(bytes)).image();
} catch (const std::bad_alloc&) {
  refuse(path.string(), "must fit in memory; got more than there is");
}

void write_pgm(const std::filesystem::path& path, const Tensor<std::uint8_t>& image) {
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
