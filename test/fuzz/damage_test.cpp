// A part of every campaign, in seconds; damage_slow_test.cpp is the whole.
#include <lamina/autograd/tensor/error.hpp>

#include "fuzz/report.hpp"

using namespace lamina::test;

BOOST_AUTO_TEST_SUITE(damage)

BOOST_AUTO_TEST_CASE(a_part_of_all_damages_of_all_files) {
  attack_all_readers({.stride = 61, .random_mutations = 2000});
}

// The campaign itself notices what it is there for.
BOOST_AUTO_TEST_CASE(bad_readers_are_found) {
  HostileReader reader{.name = "bad", .originals = {"original"}};
  const auto breaks = [&](const std::string& text) {
    BOOST_CHECK_EXCEPTION(attack_reader(reader, {.stride = 7, .random_mutations = 10}, false),
                          Breach, [&](const Breach& breach) {
                            BOOST_TEST_INFO(breach.what());
                            return std::string(breach.what()).starts_with("bad: " + text);
                          });
  };
  reader.read = [](const std::string&) { return std::nullopt; };
  breaks("an original is refused");
  reader.reseal = [](std::string&) {};
  reader.read = [](const std::string& bytes) { return bytes; };
  breaks("a damaged file is accepted as other data; the file is ");
  reader.reseal = {};
  reader.read = [](const std::string& bytes) { return bytes + "!"; };
  breaks("what was accepted is not read back; the file is ");
  reader.read = [](const std::string& bytes) -> std::optional<std::string> {
    if (!accepts<lamina::DataError>(bytes.size(), [&] { static_cast<void>(bytes.at(7)); }))
      return {};
    return bytes;
  };
  breaks("an exception of another type: ");
}

BOOST_AUTO_TEST_SUITE_END()
