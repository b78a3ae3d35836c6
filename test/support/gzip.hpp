// gzip in memory, for tests of packed files: packing, and zlib's own opinion of what bytes hold.
#pragma once

#include <zlib.h>

#include <optional>
#include <stdexcept>
#include <string>

namespace lamina::test {

// One gzip member.
inline std::string gzip(const std::string& bytes) {
  z_stream stream{};
  constexpr int kGzipOnly = 16 + MAX_WBITS, kMemory = 8;
  if (deflateInit2(&stream, 1, Z_DEFLATED, kGzipOnly, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2 failed");
  }
  std::string packed(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("deflate failed");
  return packed;
}

struct Inflated {
  std::string bytes;
  std::size_t consumed = 0;
  bool ended = false;  // false: cut short or corrupt
};

// One stream from the beginning of the bytes; `window_bits` as zlib's inflateInit2.
inline Inflated inflate_stream(const std::string& packed, int window_bits) {
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) throw std::runtime_error("inflateInit2 failed");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  Inflated result;
  int status = Z_OK;
  while (status == Z_OK) {
    char piece[16384];
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof piece;
    status = inflate(&stream, Z_NO_FLUSH);
    result.bytes.append(piece, sizeof piece - stream.avail_out);
  }
  result.consumed = stream.total_in;
  result.ended = status == Z_STREAM_END;
  inflateEnd(&stream);
  return result;
}

inline Inflated inflate_raw(const std::string& packed) {
  return inflate_stream(packed, -MAX_WBITS);
}

// All members of a gzip file; nothing: damaged.
inline std::optional<std::string> gunzip(std::string packed) {
  std::string bytes;
  while (!packed.empty()) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    const Inflated member = inflate_stream(packed, kGzipOnly);
    if (!member.ended) return {};
    bytes += member.bytes;
    packed.erase(0, member.consumed);
  }
  return bytes;
}

}  // namespace lamina::test
