// Every damage of every file: each cut, each bit, each value of each byte, boundary integers at
// each offset, 100,000 random mutations, each with and without checksums that fit. Under
// AddressSanitizer, where a file takes ten times as long, a tenth of the random mutations; what is
// counted out stays whole.
#include "fuzz/report.hpp"
#include "support/sanitizers.hpp"

using namespace lamina::test;

BOOST_AUTO_TEST_SUITE(damage)

BOOST_AUTO_TEST_CASE(all_damages_of_all_files) {
  attack_all_readers({.random_mutations = kAddressSanitizer ? 10'000 : 100'000});
}

BOOST_AUTO_TEST_SUITE_END()
