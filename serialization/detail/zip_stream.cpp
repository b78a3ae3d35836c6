#include <algorithm>
#include <lamina/serialization/detail/zip_stream.hpp>
#include <new>

namespace lamina::detail {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 16;
constexpr int kRawDeflate = -15;  // a window of 32 KiB, without zlib's own header
// What a byte of deflate can become at most: two bits for a copy of 258 bytes.
constexpr std::uint64_t kMostExpansion = 1032;

Bytef* zlib_bytes(std::span<const std::byte> bytes) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

// Calls function(piece) for pieces that zlib's 32-bit counts can take.
template <class Function>
void for_pieces(std::span<const std::byte> bytes, const Function& function) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
    function(piece);
    bytes = bytes.subspan(piece.size());
  }
}

std::uint32_t continued(std::uint32_t checksum, std::span<const std::byte> bytes) {
  for_pieces(bytes, [&](std::span<const std::byte> piece) {
    checksum = static_cast<std::uint32_t>(
        crc32(checksum, zlib_bytes(piece), static_cast<uInt>(piece.size())));
  });
  return checksum;
}

}  // namespace

ZipMemberStream::ZipMemberStream(FileReader& file, const ZipMember& member)
    : file_(file), member_(member) {
  if (member.method == ZipMethod::stored) {
    if (member.size != member.compressed_size) damaged("two sizes of stored bytes");
    return;
  }
  if (member.size > member.compressed_size * kMostExpansion) {
    damaged("more bytes than its compressed ones can become");
  }
  input_.resize(kPiece);
  if (inflateInit2(&inflater_, kRawDeflate) != Z_OK) throw std::bad_alloc();
}

ZipMemberStream::~ZipMemberStream() {
  if (member_.method == ZipMethod::deflated) inflateEnd(&inflater_);
}

void ZipMemberStream::damaged(const std::string& what) const {
  file_.task().fail("have '" + member_.name + "' whole", what);
}

std::size_t ZipMemberStream::read(std::span<std::byte> bytes) {
  bytes = bytes.first(std::min<std::size_t>(bytes.size(), member_.size - given_));
  const std::size_t count =
      member_.method == ZipMethod::stored ? read_stored(bytes) : inflate_some(bytes);
  checksum_ = continued(checksum_, bytes.first(count));
  given_ += count;
  return count;
}

std::size_t ZipMemberStream::read_stored(std::span<std::byte> bytes) {
  file_.read(member_.data_offset + given_, bytes);
  return bytes.size();
}

void ZipMemberStream::fill() {
  const std::uint64_t left = member_.compressed_size - taken_;
  const auto piece =
      std::span(input_).first(static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece)));
  file_.read(member_.data_offset + taken_, piece);
  taken_ += piece.size();
  inflater_.next_in = zlib_bytes(piece);
  inflater_.avail_in = static_cast<uInt>(piece.size());
}

std::size_t ZipMemberStream::inflate_some(std::span<std::byte> bytes) {
  std::size_t count = 0;
  while (count < bytes.size() && !ended_) {
    if (inflater_.avail_in == 0) fill();
    const std::size_t wanted = std::min<std::size_t>(bytes.size() - count, std::size_t{1} << 30);
    inflater_.next_out = zlib_bytes(bytes.subspan(count));
    inflater_.avail_out = static_cast<uInt>(wanted);
    const int status = inflate(&inflater_, Z_NO_FLUSH);
    count += wanted - inflater_.avail_out;
    ended_ = status == Z_STREAM_END;
    if (status != Z_OK && !ended_) damaged("compressed bytes that are none");
  }
  return count;
}

void ZipMemberStream::finish() {
  // The mark of deflate's end may still be to come: one byte more would have to be there.
  std::byte beyond{};
  if (member_.method == ZipMethod::deflated && inflate_some({&beyond, 1}) != 0) {
    damaged("more bytes than its size");
  }
  const bool all_taken = member_.method == ZipMethod::stored ||
                         (taken_ == member_.compressed_size && inflater_.avail_in == 0);
  if (given_ != member_.size || !all_taken) damaged("another number of bytes than its size");
  if (checksum_ != member_.checksum) damaged("bytes that do not fit its checksum");
}

std::uint32_t zip_checksum(std::span<const std::span<const std::byte>> parts) {
  std::uint32_t checksum = 0;
  for (const auto& part : parts) checksum = continued(checksum, part);
  return checksum;
}

std::string deflated(std::span<const std::span<const std::byte>> parts) {
  z_stream deflater{};
  if (deflateInit2(&deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRawDeflate, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  struct End {
    z_stream& stream;
    ~End() { deflateEnd(&stream); }
  } end{deflater};
  std::string result;
  std::vector<std::byte> output(kPiece);
  const auto run = [&](int flush) {
    do {
      deflater.next_out = zlib_bytes(output);
      deflater.avail_out = static_cast<uInt>(output.size());
      deflate(&deflater, flush);
      result.append(reinterpret_cast<const char*>(output.data()),
                    output.size() - deflater.avail_out);
    } while (deflater.avail_out == 0);
  };
  for (const auto& part : parts) {
    for_pieces(part, [&](std::span<const std::byte> piece) {
      deflater.next_in = zlib_bytes(piece);
      deflater.avail_in = static_cast<uInt>(piece.size());
      run(Z_NO_FLUSH);
    });
  }
  run(Z_FINISH);
  return result;
}

}  // namespace lamina::detail
