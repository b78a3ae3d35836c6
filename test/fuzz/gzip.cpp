#include "support/gzip.hpp"

#include <lamina/autograd/tensor/error.hpp>
#include <lamina/data/idx.hpp>

#include "fuzz/damaged_file.hpp"
#include "support/hostile_reader.hpp"

namespace lamina::test {
namespace {

using namespace std::string_literals;

// The header of a member, without the optional parts.
constexpr std::size_t kHeaderBytes = 10;

void put_little_endian(std::string& bytes, std::size_t at, std::uint64_t value) {
  for (std::size_t i = 0; i < 4 && at + i < bytes.size(); ++i) {
    bytes[at + i] = static_cast<char>(value >> (8 * i));
  }
}

// The checksum and length behind the first member, where its stream ends.
void reseal(std::string& bytes) {
  if (bytes.size() < kHeaderBytes) return;
  const Inflated inflated = inflate_raw(bytes.substr(kHeaderBytes));
  if (!inflated.ended) return;
  const std::size_t end = kHeaderBytes + inflated.consumed;
  put_little_endian(bytes, end,
                    crc32(0, reinterpret_cast<const Bytef*>(inflated.bytes.data()),
                          static_cast<uInt>(inflated.bytes.size())));
  put_little_endian(bytes, end + 4, inflated.bytes.size());
}

// An IDX file in gzip. It may take the memory of what it really holds, but not of what it promises.
HostileReader gzip_reader() {
  const std::string small = "\0\0\x08\x02\0\0\0\x02\0\0\0\x03\x01\x02\x03\xfd\xfe\xff"s;
  const std::string zeros = "\0\0\x08\x01\0\0\x40\0"s + std::string(0x4000, '\0');
  return {.name = "gzip",
          .originals = {gzip(small), gzip(small.substr(0, 7)) + gzip("") + gzip(small.substr(7)),
                        gzip(zeros)},
          .read = [](const std::string& bytes) -> std::optional<std::string> {
            const DamagedFile file(bytes);
            Tensor<std::uint8_t> tensor;
            const std::optional<std::string> plain =
                bytes.starts_with("\x1f\x8b") ? gunzip(bytes) : bytes;
            const std::size_t held = std::max(bytes.size(), plain.value_or("").size());
            if (!accepts<DataError>(held, [&] { tensor = data::read_idx(file.path()); })) return {};
            std::string form = written_by([&](const auto& path) { data::write_idx(path, tensor); });
            if (plain != form) throw Breach("gzip: other data than what is packed");
            return form;
          },
          .reseal = reseal};
}

const RegisteredReader kGzip("gzip", gzip_reader);

}  // namespace
}  // namespace lamina::test
