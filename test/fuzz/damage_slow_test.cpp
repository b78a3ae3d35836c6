// Every damage of every file: each cut, each bit, each value of each byte, boundary integers at
// each offset, 100,000 random mutations, each with and without checksums that fit.
#include "fuzz/report.hpp"

BOOST_AUTO_TEST_SUITE(damage)

BOOST_AUTO_TEST_CASE(all_damages_of_all_files) { lamina::test::attack_all_readers({}); }

BOOST_AUTO_TEST_SUITE_END()
