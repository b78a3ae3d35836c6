#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <lamina/autograd/tensor/detail/file.hpp>
#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/detail/byte_source.hpp>
#include <limits>
#include <new>
#include <utility>

namespace lamina::data::detail {
namespace {

using lamina::detail::InputFile;
constexpr std::array<unsigned char, 2> kGzip{0x1f, 0x8b};

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(InputFile file) : file_(std::move(file)) {}
  std::size_t read(void* to, std::size_t bytes) override { return file_.read(to, bytes); }
  std::uint64_t most_bytes() const noexcept override { return file_.size(); }
  bool packed() const noexcept override { return false; }

 private:
  InputFile file_;
};

class GzipSource : public ByteSource {
 public:
  explicit GzipSource(InputFile file) : file_(std::move(file)) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~GzipSource() override { inflateEnd(&stream_); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  std::size_t read(void* to, std::size_t bytes) override {
    std::size_t done = 0;
    while (done < bytes && !ended_) {
      const std::size_t piece = std::min<std::size_t>(bytes - done, 1u << 30);
      stream_.next_out = static_cast<Bytef*>(to) + done;
      stream_.avail_out = static_cast<uInt>(piece);
      step();
      done += piece - stream_.avail_out;
    }
    return done;
  }
  std::uint64_t most_bytes() const noexcept override {
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max() / 1032;
    return std::min(file_.size(), kMost) * 1032;
  }
  bool packed() const noexcept override { return true; }

 private:
  void step() {
    if (!refill()) refuse("the stream is cut short");
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      if (refill()) {
        inflateReset(&stream_);  // another member follows, or rubbish that has no gzip header
      } else {
        ended_ = true;
      }
    } else if (result == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      refuse(stream_.msg ? stream_.msg : "a corrupt stream");
    }
  }
  bool refill() {
    if (stream_.avail_in > 0) return true;
    stream_.next_in = input_.data();
    stream_.avail_in = static_cast<uInt>(file_.read(input_.data(), input_.size()));
    return stream_.avail_in > 0;
  }
  [[noreturn]] void refuse(const std::string& reason) const {
    throw DataError(file_.who(), file_.name() + " must be an intact gzip file; got: " + reason);
  }

  InputFile file_;
  z_stream stream_{};
  bool ended_ = false;
  std::array<Bytef, 65536> input_;
};

}  // namespace

std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& path, const char* who) {
  std::array<unsigned char, 2> first{};
  const bool packed =
      InputFile(path, who).read(first.data(), first.size()) == first.size() && first == kGzip;
  if (packed) return std::make_unique<GzipSource>(InputFile(path, who));
  return std::make_unique<PlainSource>(InputFile(path, who));
}

}  // namespace lamina::data::detail
