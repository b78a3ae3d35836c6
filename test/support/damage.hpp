// Every small damage of a file: cut at every length, and every byte changed in several ways. A
// reader must answer each with success or one DataError.
#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "support/files.hpp"
#include "support/refusal.hpp"

namespace lamina::test {

struct DamageReport {
  int cuts = 0, cuts_accepted = 0;
  int changes = 0, changes_accepted = 0;
};

// `read` is called with the path of a damaged copy; what it checks itself (say, that an accepted
// file still holds the original) it checks with Boost.Test.
template <class Read>
DamageReport damage_everywhere(const std::string& bytes, const Read& read) {
  const TemporaryFolder folder(Medium::memory);
  DamageReport report;
  const std::filesystem::path path = folder / "damaged";
  const auto accepted = [&](const std::string& damaged, const std::string& what) {
    write_bytes(path, damaged);
    return succeeds_or_refuses<DataError>(what, [&] { read(path); });
  };
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    ++report.cuts;
    report.cuts_accepted +=
        accepted(bytes.substr(0, length), "cut to " + std::to_string(length) + " bytes");
  }
  constexpr std::array<unsigned char, 7> kChanges{0x01, 0x02, 0x10, 0x40, 0x80, 0x7f, 0xff};
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const unsigned char change : kChanges) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ change);
      ++report.changes;
      report.changes_accepted +=
          accepted(damaged, "byte " + std::to_string(at) + " changed by " + std::to_string(change));
    }
  }
  return report;
}

}  // namespace lamina::test
