#include "support/hostile_reader.hpp"

#include <lamina/autograd/tensor/allocator.hpp>
#include <map>

#include "support/allocation_counter.hpp"

namespace lamina::test {

namespace {

using Makers = std::map<std::string, HostileReader (*)()>;
Makers& makers() {
  static Makers registered;
  return registered;
}

// What was accepted, in its own form, must be accepted as the same.
void require_stable(const HostileReader& reader, const std::string& bytes) {
  const std::optional<std::string> form = reader.read(bytes);
  if (!form) return;
  const std::optional<std::string> again = reader.read(*form);
  if (!again) throw Breach(reader.name + ": what was accepted is refused when written again");
  if (*again != *form) throw Breach(reader.name + ": what was accepted reads back as other data");
}

}  // namespace

RegisteredReader::RegisteredReader(std::string name, HostileReader (*make)()) {
  makers().emplace(std::move(name), make);
}

const std::vector<HostileReader>& hostile_readers() {
  static const std::vector<HostileReader> readers = [] {
    std::vector<HostileReader> made;
    for (const auto& [name, make] : makers()) made.push_back(make());
    return made;
  }();
  return readers;
}

// The cache is emptied first: memory that waits in it would be taken without being counted.
void begin_peak() {
  set_memory_cache_limit(0);
  trim_memory_cache();
  start_peak();
}

void require_small_peak(std::size_t file_bytes) {
  const auto most = static_cast<std::int64_t>(file_bytes) + (1 << 20);
  if (!counts_allocations() || peak_bytes() <= most) return;
  throw Breach(std::to_string(peak_bytes()) + " bytes of memory taken for a file of " +
               std::to_string(file_bytes));
}

void require_sound_answers(const HostileReader& reader, const std::string& bytes) {
  require_stable(reader, bytes);
  if (!reader.reseal) return;
  std::string resealed = bytes;
  reader.reseal(resealed);
  require_stable(reader, resealed);
}

}  // namespace lamina::test
