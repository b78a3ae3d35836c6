// A reader of files as campaigns of damage and the fuzzer see it: its originals, its answer to any
// bytes, and how somebody who changes bytes would make the checksums fit again.
//
//   HostileReader idx_reader() {
//     return {.name = "idx", .originals = {...}, .read = [](const std::string& bytes) { ... }};
//   }
//   const RegisteredReader kIdx("idx", idx_reader);
//
// One file per reader, test/fuzz/<name>.cpp; nothing else names it but the list in meson.build.
// Errors: Breach. Thread-safety: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace lamina::test {

// A reader did what none may do, on some bytes.
class Breach : public std::logic_error {
  using std::logic_error::logic_error;
};

struct HostileReader {
  std::string name;
  std::vector<std::string> originals = {};

  // What the bytes hold, in the one form in which the library writes it; nothing: refused. Breach
  // for whatever else happens, and when what was read is not what the bytes say.
  std::function<std::optional<std::string>(const std::string& bytes)> read = {};

  // Makes checksums and sizes fit the other bytes; empty: the format has none.
  std::function<void(std::string& bytes)> reseal = {};

  // Bytes of an original that describe the others, where not all do.
  std::function<std::size_t(const std::string& original)> described_by = {};
};

class RegisteredReader {
 public:
  RegisteredReader(std::string name, HostileReader (*make)());
};

// All readers of the program, in the order of their names.
const std::vector<HostileReader>& hostile_readers();

// True: the call succeeded; false: it threw a Failure whose text begins with "[". Breach: any other
// exception, or more memory than the file has bytes and 1 MiB.
template <class Failure, class Call>
bool accepts(std::size_t file_bytes, const Call& call);

// Reads the bytes as they are and, where there are checksums, with fitting ones. What is accepted
// must be read back the same from its own form. Breach otherwise.
void require_sound_answers(const HostileReader& reader, const std::string& bytes);

void require_small_peak(std::size_t file_bytes);  // since begin_peak()
void begin_peak();

template <class Failure, class Call>
bool accepts(std::size_t file_bytes, const Call& call) {
  begin_peak();
  bool accepted = false;
  try {
    call();
    accepted = true;
  } catch (const Failure& error) {
    if (error.what()[0] != '[') throw Breach(std::string("an error without name: ") + error.what());
  } catch (const std::exception& error) {
    throw Breach(std::string("an exception of another type: ") + error.what());
  }
  require_small_peak(file_bytes);
  return accepted;
}

}  // namespace lamina::test
