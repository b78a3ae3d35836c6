// The entry of libFuzzer, of a program with one reader (scripts/fuzz.sh). A breach is a crash to
// it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "support/files.hpp"
#include "support/hostile_reader.hpp"

using lamina::test::hostile_readers;

// Writes the reader's originals, to begin with, into the folder that LAMINA_FUZZ_SEEDS names.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* folder = std::getenv("LAMINA_FUZZ_SEEDS");
  if (!folder) return 0;
  int number = 0;
  for (const std::string& original : hostile_readers().front().originals) {
    lamina::test::write_bytes(
        std::filesystem::path(folder) / ("original" + std::to_string(number++)), original);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    lamina::test::require_sound_answers(hostile_readers().front(),
                                        std::string(reinterpret_cast<const char*>(data), size));
  } catch (const std::exception& breach) {
    std::fprintf(stderr, "breach: %s\n", breach.what());
    std::abort();
  }
  return 0;
}
