// A campaign against every reader of the program, as the tests print it.
#pragma once

#include <boost/test/unit_test.hpp>
#include <iostream>

#include "fuzz/campaign.hpp"

namespace lamina::test {

inline void attack_all_readers(const Effort& effort) {
  BOOST_TEST(hostile_readers().size() >= 9u);
  for (const HostileReader& reader : hostile_readers()) {
    for (const bool resealed : {false, true}) {
      if (resealed && !reader.reseal) continue;
      Outcome outcome;
      try {
        outcome = attack_reader(reader, effort, resealed);
      } catch (const Breach& breach) {
        BOOST_ERROR(breach.what());
        continue;
      }
      BOOST_TEST(outcome.files > 0);
      BOOST_TEST(outcome.refused > 0);
      const bool checked = reader.reseal && !resealed;
      std::cout << "damage: " << reader.name << (resealed ? ", checksums made to fit: " : ": ")
                << outcome.files << " files, " << outcome.refused << " refused, " << outcome.same
                << " accepted as the same data, " << outcome.other << " accepted as "
                << (checked ? "other data" : "the other data that they hold") << std::endl;
    }
  }
}

}  // namespace lamina::test
