// gzip in memory, for tests of packed files.
#pragma once

#include <zlib.h>

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

}  // namespace lamina::test
