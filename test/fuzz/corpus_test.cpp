// The fuzzer's corpus and all that it ever found (test/fuzz/corpus/<reader>/), read again.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <iostream>

#include "support/files.hpp"
#include "support/hostile_reader.hpp"

using namespace lamina::test;

namespace {

std::vector<std::filesystem::path> corpus_of(const std::string& reader) {
  const std::filesystem::path folder =
      std::filesystem::path(LAMINA_SOURCE_DIR) / "test/fuzz/corpus" / reader;
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(corpus)

BOOST_AUTO_TEST_CASE(every_file_has_a_sound_answer) {
  for (const HostileReader& reader : hostile_readers()) {
    const auto files = corpus_of(reader.name);
    BOOST_TEST(!files.empty(), "test/fuzz/corpus/" << reader.name << " must hold files");
    int accepted = 0;
    for (const auto& file : files) {
      BOOST_TEST_CONTEXT(file.string()) {
        const std::string bytes = read_bytes(file);
        try {
          require_sound_answers(reader, bytes);
          accepted += reader.read(bytes).has_value();
        } catch (const Breach& breach) {
          BOOST_ERROR(breach.what());
        }
      }
    }
    std::cout << "corpus: " << reader.name << ": " << files.size() << " files, " << accepted
              << " accepted as they are" << std::endl;
  }
}

BOOST_AUTO_TEST_CASE(every_folder_has_a_reader) {
  for (const auto& folder :
       std::filesystem::directory_iterator(LAMINA_SOURCE_DIR "/test/fuzz/corpus")) {
    const std::string name = folder.path().filename().string();
    BOOST_TEST(std::any_of(hostile_readers().begin(), hostile_readers().end(),
                           [&](const HostileReader& reader) { return reader.name == name; }),
               name << " has no reader");
  }
}

BOOST_AUTO_TEST_SUITE_END()
