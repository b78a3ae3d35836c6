// All campaigns of damage against one reader, and what came of them.
#pragma once

#include <string>

#include "support/hostile_reader.hpp"

namespace lamina::test {

// How much of everything: 1 is every damage there is, n about every n-th.
struct Effort {
  std::size_t stride = 1;
  int random_mutations = 100'000;
};

struct Outcome {
  std::int64_t files = 0, refused = 0;
  std::int64_t same = 0;   // accepted, as the data of the original
  std::int64_t other = 0;  // accepted as other data, which are what the bytes say
};

// Breach, telling the damage, as soon as a reader does what none may do; also when a file whose
// checksums were not made to fit is accepted as other data.
Outcome attack_reader(const HostileReader& reader, const Effort& effort, bool resealed);

}  // namespace lamina::test
