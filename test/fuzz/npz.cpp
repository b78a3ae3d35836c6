#include <cstring>
#include <lamina/serialization/npz.hpp>

#include "fuzz/checkpoint_bytes.hpp"
#include "support/gzip.hpp"

namespace lamina::test {
namespace {

constexpr std::size_t kEndBytes = 22, kEntryBytes = 46, kLocalBytes = 30;

std::string npz_of(const StateDict& state, const NpzOptions& options = {}) {
  return saved_by([&](FileSystem& files) { save_npz(kPath, state, options, files); });
}

template <class Integer>
Integer number_at(const std::string& bytes, std::size_t at) {
  Integer value = 0;
  std::memcpy(&value, &bytes.at(at + sizeof value - 1) - (sizeof value - 1), sizeof value);
  return value;
}

// The member's bytes, unpacked, that an entry of the directory speaks of; nothing: there are none.
std::optional<std::string> content_of(const std::string& bytes, std::size_t entry) {
  const std::size_t local = number_at<std::uint32_t>(bytes, entry + 42);
  const std::size_t begin = local + kLocalBytes + number_at<std::uint16_t>(bytes, local + 26) +
                            number_at<std::uint16_t>(bytes, local + 28);
  const std::size_t size = number_at<std::uint32_t>(bytes, entry + 20);
  if (begin > bytes.size() || size > bytes.size() - begin) return {};
  const std::string packed = bytes.substr(begin, size);
  if (number_at<std::uint16_t>(bytes, entry + 10) == 0) return packed;
  const Inflated inflated = inflate_raw(packed);
  return inflated.ended ? std::optional(inflated.bytes) : std::nullopt;
}

// The checksums of all members that are found, in the directory and in their local headers.
void reseal(std::string& bytes) {
  if (bytes.size() < kEndBytes) return;
  std::size_t entry = number_at<std::uint32_t>(bytes, bytes.size() - 6);
  try {
    for (; entry + kEntryBytes + kEndBytes <= bytes.size();
         entry += kEntryBytes + number_at<std::uint16_t>(bytes, entry + 28) +
                  number_at<std::uint16_t>(bytes, entry + 30) +
                  number_at<std::uint16_t>(bytes, entry + 32)) {
      const std::optional<std::string> content = content_of(bytes, entry);
      if (!content) continue;
      const auto checksum = static_cast<std::uint32_t>(crc32(
          0, reinterpret_cast<const Bytef*>(content->data()), static_cast<uInt>(content->size())));
      std::memcpy(&bytes[entry + 16], &checksum, sizeof checksum);
      std::memcpy(&bytes[number_at<std::uint32_t>(bytes, entry + 42) + 14], &checksum,
                  sizeof checksum);
    }
  } catch (const std::out_of_range&) {  // a header that the file does not hold whole
  }
}

HostileReader npz_reader() {
  return {.name = "npz",
          .originals = {npz_of(state_of_every_kind()),
                        npz_of(state_of_every_kind(), {.compress = true}), npz_of({})},
          .read = [](const std::string& bytes) -> std::optional<std::string> {
            FakeFileSystem files = folder_with(bytes);
            StateDict state;
            if (!accepts<CheckpointError>(bytes.size(), [&] { state = load_npz(kPath, files); })) {
              return {};
            }
            return npz_of(state);
          },
          .reseal = reseal};
}

const RegisteredReader kNpz("npz", npz_reader);

}  // namespace
}  // namespace lamina::test
